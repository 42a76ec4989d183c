// What the gradients of tasks add up in, in an order that does not depend on the number of threads.
#pragma once
#include <algorithm>
#include <vector>

#include "../plan/plan.h"
#include "../runtime/arena.h"
#include "../runtime/thread_pool.h"
#include "../task/gram.h"
#include "sparse_gradient.h"

namespace innerloop {

// Consecutive tasks of a batch share a sum of the dense tensors' gradients; this is how many sums there are. It depends
// on the batch and the model alone, so the order of every addition does not depend on the threads. They take at most
// `kMostBytes` together. Four tasks share one where there are enough: clearing and adding up a sum costs about as much
// memory traffic as a small task.
struct ChunkLimits {
  static constexpr Index kLeast = 2, kMost = 64, kMostBytes = Index{64} << 20;
};
Index chunk_count(Index tasks, Index dense_bytes);

// A part of a batch, for several processes that work on one.
struct Parts {
  Index part, parts;
  Parts next() const { return {part + 1, parts}; }
};

struct Range {
  Index from, to;
};

// Which tasks share a sum, and which sums are a part: parts are made of consecutive chunks, as even as can be.
struct Chunks {
  Chunks(Index tasks, Index dense_bytes) : tasks(tasks), count(chunk_count(tasks, dense_bytes)) {}
  Index first(Parts of) const { return of.part * count / of.parts; }
  Index first_task(Index chunk) const { return chunk * tasks / count; }
  Range tasks_of(Parts part) const { return {first_task(first(part)), first_task(first(part.next()))}; }
  const Index tasks, count;
};

// Sums keep up to so many bytes for the next call on their thread, because pages fresh from the system cost more than
// what is done with them.
constexpr std::size_t kKeptBytes = std::size_t{8} << 20;

// The gradients of the embedding rows of all tasks, and their sum by row of the batch, taken in the order of the tasks
// so that it is the same for any number of threads.
template <class T>
struct TableSums {
  TableSums(const Model<T>& model, const BatchIndex<T>& index, bool wanted) {
    if (wanted) storage = std::move(spare());
    storage.resize(model.tensors.size());
    if (!wanted) return;
    for (std::size_t t = 0; t < storage.size(); ++t) {
      const int input = model.tensors[t].input;
      const Index rows = input < 0 ? 0 : static_cast<Index>(index.inputs[input].unique.size());
      storage[t].assign(rows > 0 ? rows * model.dim(static_cast<int>(t)) : 0, T(0));
    }
  }
  TableSums(const TableSums&) = delete;
  ~TableSums() {
    std::size_t bytes = 0;
    for (const auto& blocks : storage) bytes += blocks.capacity() * sizeof(T);
    if (bytes > 0 && bytes <= kKeptBytes) spare() = std::move(storage);
  }
  std::vector<T*> of_task(const Model<T>& model, const BatchIndex<T>& index, Index task) {
    std::vector<T*> p(storage.size(), nullptr);
    for (std::size_t t = 0; t < storage.size(); ++t) {
      const int input = model.tensors[t].input;
      if (input >= 0)
        p[t] = storage[t].data() + index.inputs[input].unique_begin[task] * model.dim(static_cast<int>(t));
    }
    return p;
  }
  void reduce(const Model<T>& model, const BatchIndex<T>& index, int threads, SparseGradient<T>& into) {
    into.rows.assign(storage.size(), nullptr);
    into.blocks.resize(storage.size());
    Index size = 0;
    for (const auto& blocks : storage) size += static_cast<Index>(blocks.size());
    ThreadPool::instance().parallel_for(
        static_cast<Index>(storage.size()), ThreadPool::threads_for(threads, size), [&](Index t) {
          const int input = model.tensors[t].input;
          if (input < 0) return;
          const auto& in = index.inputs[input];
          const Index dim = model.dim(static_cast<int>(t));
          into.rows[t] = &in.rows;
          into.blocks[t].assign(in.rows.size() * dim, T(0));
          kernels<T>().scatter_rows(static_cast<Index>(in.unique.size()), dim, storage[t].data(), dim,
                                    in.unique_batch.data(), into.blocks[t].data());
        });
  }
  std::vector<Aligned<T>> storage;  // by tensor: [Σ tasks' distinct rows, dim]

 private:
  static std::vector<Aligned<T>>& spare() {
    static thread_local std::vector<Aligned<T>> kept;
    return kept;
  }
};

// The gradient of the dense tensors over one chunk of tasks. That of the Gram layer's weight is one product over the
// rows of all tasks of the chunk, where the rows outlast their tasks.
template <class T>
struct ChunkSum {
  ChunkSum(const Plan<T>& plan, Aligned<T>& sum) : plan(plan), sum(sum), keep(Arena::of_this_chunk()) {
    keep.reset();
    std::fill(sum.begin(), sum.begin() + weight_at(), T(0));
    std::fill(sum.begin() + weight_at() + weight_size(), sum.end(), T(0));
    if (!plan.gram) return;
    segments = plan.segments[plan.gram->slot_in] ? plan.segments[plan.gram->slot_in] : &plan.gram->whole;
    // Varying columns are written first by the products; the shared ones are added to, and so start at 0.
    for (const auto& range : segments->same)
      std::fill_n(weight() + range.begin * plan.gram->O, range.width() * plan.gram->O, T(0));
  }

  void add(Gram<T>& gram) {
    if (!gram.finish(keep, products, weight(), bias())) flush();
  }
  // Adds −a (W_K − W_0), the direction of Reptile.
  void displace(Gram<T>& gram, T a) {
    flush();
    gram.displace(-a, weight(), bias());
  }
  // Carries out the products that wait. This must happen before the sum is read or added to, and before a later task
  // overwrites what the products read.
  void flush() {
    if (!plan.gram || (started && products.empty())) return;
    const Index H = plan.gram->O;
    for (const auto& range : segments->varying) {
      moved = products;
      for (Factors<T>& f : moved) f.A += range.begin;
      T* to = weight() + range.begin * H;
      plan.kernels.gemm(range.width(), H, moved.data(), static_cast<int>(moved.size()), nullptr, started ? to : nullptr,
                        to, H);
    }
    started = true;
    products.clear();
    keep.reset();
  }

 private:
  Index weight_at() const { return plan.gram ? plan.model.tensors[plan.gram->weight].offset : 0; }
  Index weight_size() const { return plan.gram ? plan.model.tensors[plan.gram->weight].size : 0; }
  T* weight() { return sum.data() + weight_at(); }
  T* bias() { return sum.data() + plan.model.tensors[plan.gram->bias].offset; }

  const Plan<T>& plan;
  Aligned<T>& sum;
  Arena& keep;
  const Segments* segments = nullptr;
  std::vector<Factors<T>> products, moved;
  bool started = false;
};

// The sums of all chunks.
template <class T>
struct DenseSums {
  DenseSums(Index chunks, Index size) : sums(std::move(spare())) {
    sums.resize(chunks);
    for (Aligned<T>& sum : sums) sum.resize(size);
  }
  ~DenseSums() {
    if (!sums.empty() && sums.size() * sums[0].size() * sizeof(T) <= kKeptBytes) spare() = std::move(sums);
  }

  void reduce(int threads, const Kernels<T>& kernels, Aligned<T>& into) const {
    if (sums.empty()) return;
    const Index size = static_cast<Index>(sums[0].size()), piece = 4096;
    into.resize(size);
    ThreadPool::instance().parallel_for((size + piece - 1) / piece,
                                        ThreadPool::threads_for(threads, size * static_cast<Index>(sums.size())),
                                        [&](Index p) {
                                          const Index from = p * piece, count = std::min(piece, size - from);
                                          std::copy_n(sums[0].data() + from, count, into.data() + from);
                                          for (std::size_t c = 1; c < sums.size(); ++c)
                                            kernels.axpy(count, T(1), sums[c].data() + from, into.data() + from);
                                        });
  }

  std::vector<Aligned<T>> sums;

 private:
  static std::vector<Aligned<T>>& spare() {
    static thread_local std::vector<Aligned<T>> kept;
    return kept;
  }
};

}  // namespace innerloop
