// The meta-gradient of a batch by several processes. Each has packed some of its tasks, adds up their gradients and
// hands the sums to the others as bytes; with the bytes of all, each makes the same sum in the same order as one
// process alone would.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "meta_gradient.h"
#include "store.h"
#include "sums.h"

namespace innerloop {

template <class T>
struct TaskSums;

// Adds up the part that the batch is of `whole`, and gives what all processes need of it: the table rows that each of
// its tasks reads, then the sums.
template <class T>
std::vector<std::byte> partial_gradient(const Store<T>& parameters, const InnerLoop<T>& inner, const Batch<T>& batch,
                                        Direction direction, const Whole& whole, Parts part, int threads,
                                        const std::function<void()>& poll);

// The sums of all parts side by side. The model, the inner loop and the whole must outlive it.
template <class T>
class JoinedGradient {
 public:
  // Throws where the bytes are not those of parts of this batch.
  JoinedGradient(const Model<T>& model, const InnerLoop<T>& inner, const Whole& whole,
                 const std::vector<std::vector<std::byte>>& parts);
  ~JoinedGradient();
  // It must outlive what this gives, which is made once. Throws Diverged if the sum is not finite.
  MetaGradient<T> reduce(int threads);

 private:
  const Model<T>& model_;
  const Whole& whole_;
  BatchIndex<T> index_;
  std::unique_ptr<TaskSums<T>> sums_;
};

}  // namespace innerloop
