#include "partial_gradient.h"

#include <cstring>
#include <span>

#include "gradient_sums.h"

namespace innerloop {
namespace {

constexpr const char* kOtherBytes = "a part's bytes are not those of this batch";

// Bytes of a part, as they are read.
struct PartBytes {
  std::span<const std::byte> left;
  void read(void* to, std::size_t count) {
    require(count <= left.size(), kOtherBytes);
    if (count > 0) std::memcpy(to, left.data(), count);
    left = left.subspan(count);
  }
};

template <class T>
Index dense_bytes(const Model<T>& model) {
  return model.dense_size * static_cast<Index>(sizeof(T));
}

// Calls f(input) for every input whose ids are rows of tables.
template <class T, class F>
void each_table_input(const Model<T>& model, const F& f) {
  for (std::size_t i = 0; i < model.spec.inputs.size(); ++i)
    if (model.spec.inputs[i].kind != InputKind::dense) f(i);
}

// How many table rows each task reads, and which, of all parts one after the other.
template <class T>
BatchIndex<T> joined_index(const Model<T>& model, const Chunks& chunks, std::vector<PartBytes>& parts) {
  BatchIndex<T> index;
  index.inputs.resize(model.spec.inputs.size());
  each_table_input(model, [&](std::size_t i) { index.inputs[i].unique_begin.assign(1, 0); });
  const Index count = static_cast<Index>(parts.size());
  for (Index p = 0; p < count; ++p) {
    const auto [from, to] = chunks.tasks_of({p, count});
    each_table_input(model, [&](std::size_t i) {
      auto& in = index.inputs[i];
      std::vector<std::int32_t> counts(to - from);
      parts[p].read(counts.data(), counts.size() * sizeof(std::int32_t));
      const std::size_t first = in.unique.size();
      Index total = static_cast<Index>(first);
      for (const std::int32_t rows : counts) {
        require(rows >= 0, kOtherBytes);
        in.unique_begin.push_back(total += rows);
      }
      const std::size_t bytes = (static_cast<std::size_t>(total) - first) * sizeof(std::int32_t);
      require(bytes <= parts[p].left.size(), kOtherBytes);
      in.unique.resize(static_cast<std::size_t>(total));
      parts[p].read(in.unique.data() + first, bytes);
      for (std::size_t u = first; u < in.unique.size(); ++u)
        require(in.unique[u] >= 0 && in.unique[u] < model.spec.inputs[i].cardinality, kOtherBytes);
    });
  }
  return index;
}

}  // namespace

template <class T>
std::vector<std::byte> partial_gradient(const Store<T>& parameters, const InnerLoop<T>& inner, const Batch<T>& batch,
                                        Direction direction, const Whole& whole, Parts part, int threads,
                                        const std::function<void()>& poll) {
  const Model<T>& model = *parameters.model;
  const Plan<T> plan(model, inner, batch, threads, true, &whole);
  GradientSums<T> added(plan, direction, part);
  const SharedParameters<T> shared(plan, parameters.values->data(), Passes::meta_gradient);
  ThreadPool::instance().parallel_for(added.end - added.first, threads,
                                      [&](Index c) { added.add_chunk(added.first + c, shared, poll); });
  std::size_t size = 0;
  const Index tasks = batch.tasks();
  const auto visit_all = [&](const auto& visit) {
    each_table_input(model, [&](std::size_t i) {
      const auto& in = plan.index->inputs[i];
      std::vector<std::int32_t> counts(tasks);
      for (Index t = 0; t < tasks; ++t)
        counts[t] = static_cast<std::int32_t>(in.unique_begin[t + 1] - in.unique_begin[t]);
      visit(counts.data(), counts.size() * sizeof(std::int32_t));
      visit(in.unique.data(), in.unique.size() * sizeof(std::int32_t));
    });
    added.sums.each_span({0, tasks}, {0, added.end - added.first}, visit);
  };
  visit_all([&](const void*, std::size_t bytes) { size += bytes; });
  std::vector<std::byte> out(size);
  std::byte* to = out.data();
  visit_all([&](const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
    to += bytes;
  });
  return out;
}

template <class T>
JoinedGradient<T>::JoinedGradient(const Model<T>& model, const InnerLoop<T>& inner, const Whole& whole,
                                  const std::vector<std::vector<std::byte>>& bytes)
    : model_(model), whole_(whole) {
  const Chunks chunks(whole.tasks, dense_bytes(model));
  std::vector<PartBytes> parts;
  for (const auto& own : bytes) parts.push_back({own});
  index_ = joined_index(model, chunks, parts);
  sums_ = std::make_unique<TaskSums<T>>(model, inner, index_, chunks.tasks, chunks.count);
  const Index count = static_cast<Index>(parts.size());
  for (Index p = 0; p < count; ++p) {
    const Index first = chunks.first({p, count}), end = chunks.first({p + 1, count});
    sums_->each_span(chunks.tasks_of({p, count}), {first, end},
                     [&](void* to, std::size_t size) { parts[p].read(to, size); });
    require(parts[p].left.empty(), kOtherBytes);
  }
}

template <class T>
JoinedGradient<T>::~JoinedGradient() = default;

template <class T>
MetaGradient<T> JoinedGradient<T>::reduce(int threads) {
  ThreadPool::instance().parallel_for(static_cast<Index>(index_.inputs.size()), threads, [&](Index i) {
    const InputSpec& input = model_.spec.inputs[i];
    if (input.kind != InputKind::dense) index_rows<T>(input.cardinality, index_.inputs[i]);
  });
  return sums_->reduce(whole_.weights, threads);
}

#define INNERLOOP_INSTANTIATE(T)                                                                                     \
  template std::vector<std::byte> partial_gradient(const Store<T>&, const InnerLoop<T>&, const Batch<T>&, Direction, \
                                                   const Whole&, Parts, int, const std::function<void()>&);          \
  template class JoinedGradient<T>;
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)
#undef INNERLOOP_INSTANTIATE

}  // namespace innerloop
