// A share of the meta-gradient of a batch, for several processes that work on one batch. Each adds up the gradients of
// some chunks of consecutive tasks and hands the sums to the others as bytes; with the bytes of all, each of them makes
// the same sum in the same order as one process alone would.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "meta_gradient.h"
#include "store.h"

namespace innerloop {

template <class T>
struct GradientSums;

template <class T>
class PartialGradient {
 public:
  // The parameters, the inner loop and the batch must outlive it.
  PartialGradient(const Store<T>& parameters, const InnerLoop<T>& inner, const Batch<T>& batch, Direction direction,
                  int threads);
  ~PartialGradient();

  // Adds the chunks of part `part` of `parts`, which are consecutive. A part may have none.
  void add(Index part, Index parts, const std::function<void()>& poll);
  // What the others need of a part that was added here.
  std::vector<std::byte> bytes(Index part, Index parts);
  // How many bytes those of a part are.
  std::size_t size(Index part, Index parts);
  // Takes the bytes of another one's part, size(part, parts) of them.
  void take(Index part, Index parts, const std::byte* bytes);
  // With all parts added or taken: throws Diverged if the sum is not finite. Once.
  MetaGradient<T> reduce();

 private:
  template <class F>
  void each_span(Index part, Index parts, const F& visit);

  const Store<T>& parameters_;
  const int threads_;
  const std::unique_ptr<Plan<T>> plan_;
  const std::unique_ptr<GradientSums<T>> sums_;
};

}  // namespace innerloop
