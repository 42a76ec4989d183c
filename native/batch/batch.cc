#include "batch.h"

#include <algorithm>

#include "../runtime/thread_pool.h"

namespace innerloop {
namespace {

// Counts where the ids of every row begin. This comes first, so that tasks can then be indexed independently.
template <class T>
void lay_out(const Batch<T>& batch, const typename Frame<T>::Column& column, typename BatchIndex<T>::Input& in) {
  const std::vector<std::int32_t>& side = batch.sides[column.side];
  in.entry_begin.resize(side.size() + 1);
  in.entry_begin[0] = 0;
  for (std::size_t r = 0; r < side.size(); ++r) {
    const Index count =
        column.kind == InputKind::categorical ? 1 : column.offsets[side[r] + 1] - column.offsets[side[r]];
    in.entry_begin[r + 1] = in.entry_begin[r] + count;
  }
  in.local.resize(in.entry_begin.back());
}

// Gives a table of −1, as long as the largest vocabulary that this thread has met; whoever writes to it restores it.
std::vector<std::int32_t>& positions(Index cardinality) {
  static thread_local std::vector<std::int32_t> table;
  if (static_cast<Index>(table.size()) < cardinality) table.resize(cardinality, -1);
  return table;
}

// Collects the distinct ids of one task in the order in which they first appear.
template <class T>
std::vector<std::int32_t> index_task(const Batch<T>& batch, const typename Frame<T>::Column& column, Index task,
                                     Index cardinality, typename BatchIndex<T>::Input& in) {
  std::vector<std::int32_t>& position = positions(cardinality);
  std::vector<std::int32_t> distinct;
  distinct.reserve(in.entry_begin[batch.begin[2 * task + 2]] - in.entry_begin[batch.begin[2 * task]]);
  const std::vector<std::int32_t>& side = batch.sides[column.side];
  for (Index r = batch.begin[2 * task]; r < batch.begin[2 * task + 2]; ++r) {
    const Index from = column.kind == InputKind::categorical ? side[r] : column.offsets[side[r]];
    const Index count = in.entry_begin[r + 1] - in.entry_begin[r];
    for (Index e = 0; e < count; ++e) {
      const std::int32_t id = column.ids[from + e];
      if (position[id] < 0) {
        position[id] = static_cast<std::int32_t>(distinct.size());
        distinct.push_back(id);
      }
      in.local[in.entry_begin[r] + e] = position[id];
    }
  }
  for (const std::int32_t id : distinct) position[id] = -1;
  return distinct;
}

template <class T>
void index_input(const Batch<T>& batch, std::size_t i, int threads, typename BatchIndex<T>::Input& in) {
  const auto& column = batch.column(i);
  const Index tasks = batch.tasks(), cardinality = batch.model->spec.inputs[i].cardinality;
  lay_out<T>(batch, column, in);

  std::vector<std::vector<std::int32_t>> distinct(tasks);
  ThreadPool::instance().parallel_for(tasks, threads,
                                      [&](Index t) { distinct[t] = index_task<T>(batch, column, t, cardinality, in); });

  in.unique_begin.assign(1, 0);
  for (const auto& d : distinct) {
    in.unique_begin.push_back(in.unique_begin.back() + static_cast<Index>(d.size()));
    in.unique.insert(in.unique.end(), d.begin(), d.end());
  }
}

}  // namespace

template <class T>
void index_rows(Index cardinality, typename BatchIndex<T>::Input& in) {
  std::vector<std::int32_t>& position = positions(cardinality);
  in.rows.clear();
  for (const std::int32_t id : in.unique) {
    if (position[id] >= 0) continue;
    position[id] = 0;
    in.rows.push_back(id);
  }
  std::sort(in.rows.begin(), in.rows.end());
  for (std::size_t r = 0; r < in.rows.size(); ++r) position[in.rows[r]] = static_cast<std::int32_t>(r);
  in.unique_batch.resize(in.unique.size());
  for (std::size_t u = 0; u < in.unique.size(); ++u) in.unique_batch[u] = position[in.unique[u]];
  for (const std::int32_t id : in.rows) position[id] = -1;
}

template <class T>
Batch<T>::Batch() = default;
template <class T>
Batch<T>::~Batch() = default;

template <class T>
const BatchIndex<T>& Batch<T>::index(int threads) const {
  std::call_once(once_, [&] {
    auto built = std::make_unique<BatchIndex<T>>();
    built->inputs.resize(frame->columns.size());
    for (std::size_t i = 0; i < frame->columns.size(); ++i)
      if (frame->columns[i].kind != InputKind::dense) index_input<T>(*this, i, threads, built->inputs[i]);
    index_ = std::move(built);
  });
  return *index_;
}

template <class T>
const BatchIndex<T>& Batch<T>::index_with_rows(int threads) const {
  index(threads);
  std::call_once(rows_once_, [&] {
    ThreadPool::instance().parallel_for(static_cast<Index>(frame->columns.size()), threads, [&](Index i) {
      if (frame->columns[i].kind != InputKind::dense)
        index_rows<T>(model->spec.inputs[i].cardinality, index_->inputs[i]);
    });
  });
  return *index_;
}

template struct Batch<float>;
template struct Batch<double>;
template void index_rows<float>(Index, BatchIndex<float>::Input&);
template void index_rows<double>(Index, BatchIndex<double>::Input&);

}  // namespace innerloop
