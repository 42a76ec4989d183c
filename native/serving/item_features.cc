#include "item_features.h"

#include <algorithm>
#include <cmath>

#include "../layers/layer.h"
#include "../runtime/thread_pool.h"
#include "../task/task.h"

namespace innerloop {

template <class T>
std::shared_ptr<Batch<T>> for_items(const Batch<T>& one, std::span<const std::int32_t> items,
                                    const std::vector<int>& item_sides) {
  auto batch = std::make_shared<Batch<T>>();
  batch->model = one.model;
  batch->frame = one.frame;
  batch->overrides = one.overrides;
  const Index n = static_cast<Index>(items.size());
  batch->begin.assign(1, 0);
  for (Index from = 0; from < n || from == 0; from += kItemChunk) {
    batch->begin.push_back(from);
    batch->begin.push_back(std::min(n, from + kItemChunk));
  }
  batch->sides.resize(one.sides.size());
  for (std::size_t s = 0; s < one.sides.size(); ++s) {
    if (one.sides[s].empty()) continue;  // no column reads it
    if (std::find(item_sides.begin(), item_sides.end(), static_cast<int>(s)) != item_sides.end())
      batch->sides[s].assign(items.begin(), items.end());
    else
      batch->sides[s].assign(items.size(), one.sides[s][0]);
  }
  return batch;
}

template <class T>
ItemFeatures<T> item_features(const Plan<T>& plan, const T* parameters, int threads,
                              const std::function<void()>& poll) {
  ItemFeatures<T> result;
  result.model = plan.batch.model;
  result.items = plan.batch.begin.back();
  result.width = plan.model.last_layer->I;
  result.values.resize(static_cast<std::size_t>(result.items * result.width));
  const SharedParameters<T> shared(plan, parameters, Passes::forward);
  ThreadPool::instance().parallel_for(plan.batch.tasks(), threads, [&](Index t) {
    poll();
    Arena& arena = Arena::of_this_thread();
    arena.reset();
    Task<T> task(plan, t, shared, arena, poll);
    if (task.query == 0) return;
    const T* features = nullptr;
    task.predict_query(0, &features);
    std::copy_n(features, task.query * result.width, result.values.data() + (task.first + task.support) * result.width);
  });
  double squares = 0;
  for (Index i = 0; i < result.items; ++i) {
    const T* const row = result.values.data() + i * result.width;
    double sum = 0;
    for (Index k = 0; k < result.width; ++k) sum += static_cast<double>(row[k]) * static_cast<double>(row[k]);
    if (std::isnan(sum) || sum > squares) squares = sum;  // what is no number stays
  }
  result.longest = std::sqrt(squares);
  return result;
}

#define INNERLOOP_INSTANTIATE(T)                                                               \
  template std::shared_ptr<Batch<T>> for_items(const Batch<T>&, std::span<const std::int32_t>, \
                                               const std::vector<int>&);                       \
  template ItemFeatures<T> item_features(const Plan<T>&, const T*, int, const std::function<void()>&);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)
#undef INNERLOOP_INSTANTIATE

}  // namespace innerloop
