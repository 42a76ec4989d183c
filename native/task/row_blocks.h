// A pass over many rows, taken in blocks of rows by several threads.
//
// How many blocks there are depends on the task and the model alone. Each block has a place of its own for its
// gradients, and these are added in the order of the blocks, so that the bits do not depend on the number of threads.
// All passes over the same slots are divided alike, so that a block finds what it left there. The loss joins the rows:
// it runs between two passes, over all of them.
#pragma once
#include <functional>

#include "task.h"

namespace innerloop {

template <class T>
class RowBlocks {
 public:
  // `pass` must outlive it.
  RowBlocks(const Task<T>& task, const Pass<T>& pass) : task_(task), pass_(pass), count_(task.blocks_of(pass.n)) {}
  bool is_one() const { return count_ == 1; }

  // Calls body(pass over the rows of a block) for every block. It must add to no gradient.
  template <class F>
  void each(const F& body) const {
    if (count_ == 1) return body(pass_);
    run([&](Index b) { body(block(b)); });
  }
  // The same where body adds to pass.grad, or to pass.hv.
  template <class F>
  void add_gradients(const F& body) const {
    if (count_ == 1) return body(pass_);
    T** const sums = take_sums(pass_.grad);
    run([&](Index b) {
      Pass<T> pass = block(b);
      pass.grad = clear(sums, b), pass.from = task_.no_targets;
      body(pass);
    });
    reduce(sums, pass_.grad, pass_.from);
  }
  template <class F>
  void add_products(const F& body) const {
    if (count_ == 1) return body(pass_);
    T** const sums = take_sums(pass_.hv);
    run([&](Index b) {
      Pass<T> pass = block(b);
      pass.hv = clear(sums, b);
      body(pass);
    });
    reduce(sums, pass_.hv, task_.no_targets);
  }

 private:
  Index first(Index b) const { return b * pass_.n / count_; }
  Pass<T> block(Index b) const;
  void run(const std::function<void(Index)>& body) const;
  // By block and tensor, null where `wanted` is.
  T** take_sums(T* const* wanted) const;
  T** clear(T** sums, Index b) const;
  // into = from + the sums of all blocks; where from is null, into += these.
  void reduce(T* const* sums, T* const* into, const T* const* from) const;

  const Task<T>& task_;
  const Pass<T>& pass_;
  const Index count_;
};

extern template class RowBlocks<float>;
extern template class RowBlocks<double>;

}  // namespace innerloop
