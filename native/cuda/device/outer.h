// The outer step (native/meta/outer_update.h): dense tensors as a whole, tables in the rows that the batch touched. The
// device decides whether the step is taken, so that it does not wait for the host in between.
#pragma once
#include "rows.h"

namespace innerloop::device {

// The results of a call, and whether its step may be taken.
struct Verdict {
  double loss, norm, rate_norm;  // norms of the gradients of parameters and of rates, before clipping
  Index bad_task;                // first task whose loss is not finite; −1 if there is none
  int finite;                    // whether the gradients are finite
  int in_range;                  // whether the steps fit the scalar type
  double scale, rate_scale;      // factors on the gradients by clipping
};

template <class T>
struct OuterTensor {
  Index offset, size, width;
  int table;
  Index rows;               // of a table: how many distinct rows the batch has,
  const std::int32_t* row;  // their numbers,
  const T* block;           // and their gradients [rows, width]
  Index* touched;           // by table row: the number of the last step that updated it
  T shrink;                 // learning rate × weight decay
  double l2, max_norm;
};

template <class T>
struct OuterCall {
  const OuterTensor<T>* tensors;
  int count;
  const T* dense;  // gradient [dense_size]
  T *values, *first, *second;
  int adam;
  double momentum, beta1, beta2;
  T rate, epsilon, step, correction;  // see native/kernels/kernels.h for step and correction
  Index number;                       // number of this step, from 1
  const Verdict* verdict;
  int is_rates;
  double learning_rate, clip_norm;
};

template <class T>
struct SquaresCall {
  const OuterCall<T>* outer;
  Index dense_size;
  double* parts;  // [blocks]
};

constexpr Index kSquaresOfBlock = 4096;

// Each block computes Σ g² of a stretch of the gradient; the stretches cover the dense tensors, then each table's rows.
struct Squares {
  template <class T>
  IL_DEVICE static void run(const Block& block, const SquaresCall<T>& c) {
    double* lanes = reinterpret_cast<double*>(block.shared);
    Index begin = block.index * kSquaresOfBlock;
    const T* from = c.outer->dense;
    Index size = c.dense_size;
    for (int t = 0; begin >= (size + kSquaresOfBlock - 1) / kSquaresOfBlock * kSquaresOfBlock; ++t) {
      begin -= (size + kSquaresOfBlock - 1) / kSquaresOfBlock * kSquaresOfBlock;
      while (!c.outer->tensors[t].table) ++t;
      from = c.outer->tensors[t].block;
      size = c.outer->tensors[t].rows * c.outer->tensors[t].width;
    }
    const Index end = begin + kSquaresOfBlock < size ? begin + kSquaresOfBlock : size;
    block.lanes([&](int lane) {
      double sum = 0;
      for (Index i = begin + lane; i < end; i += kLanes)
        sum += static_cast<double>(from[i]) * static_cast<double>(from[i]);
      lanes[lane] = sum;
    });
    block.once([&] {
      double sum = 0;
      for (int i = 0; i < kLanes; ++i) sum += lanes[i];
      c.parts[block.index] = sum;
    });
  }
};

template <class T>
struct VerdictCall {
  const double* task_losses;
  const double* weights;  // [tasks], or null
  Index tasks;
  const double *parts, *rate_parts;
  Index count, rate_count;
  const OuterCall<T>*outer, *rate_outer;  // null: no step
  double most;                            // the largest finite number of the scalar type
  Verdict* verdict;
};

// Computes the verdict in a single block. Each lane sums a stretch of the terms, then one lane sums the lanes in order.
struct Judge {
  template <class T>
  IL_DEVICE static void run(const Block& block, const VerdictCall<T>& c) {
    double* lanes = reinterpret_cast<double*>(block.shared);
    const double equal = 1.0 / static_cast<double>(c.tasks);
    const auto total = [&](Index n, const auto& term, double* to) {
      const Index stretch = (n + kLanes - 1) / kLanes;
      block.lanes([&](int lane) {
        double sum = 0;
        for (Index i = lane * stretch; i < (lane + 1) * stretch && i < n; ++i) sum += term(i);
        lanes[lane] = sum;
      });
      block.once([&] {
        double sum = 0;
        for (int i = 0; i < kLanes; ++i) sum += lanes[i];
        *to = sum;
      });
    };
    Verdict& v = *c.verdict;
    total(
        c.tasks, [&](Index t) { return (c.weights ? c.weights[t] : equal) * c.task_losses[t]; }, &v.loss);
    total(
        c.count, [&](Index i) { return c.parts[i]; }, &v.norm);
    total(
        c.rate_count, [&](Index i) { return c.rate_parts[i]; }, &v.rate_norm);
    block.once([&] {
      v.bad_task = -1;
      if (!(v.loss - v.loss == 0))
        for (Index t = c.tasks; t-- > 0;)
          if (!(c.task_losses[t] - c.task_losses[t] == 0)) v.bad_task = t;
      v.norm = sqrt(v.norm);
      v.rate_norm = sqrt(v.rate_norm);
      v.finite = v.norm - v.norm == 0 && v.rate_norm - v.rate_norm == 0;
      v.in_range = 1;
      v.scale = v.rate_scale = 1;
      judge(c.outer, v.norm, c.most, v.scale, v.in_range);
      judge(c.rate_outer, v.rate_norm, c.most, v.rate_scale, v.in_range);
    });
  }

 private:
  // A finite gradient is not enough: its square, which Adam keeps as a moment, and the step must also be in range.
  template <class T>
  IL_DEVICE static void judge(const OuterCall<T>* outer, double norm, double most, double& scale, int& in_range) {
    if (!outer) return;
    if (outer->clip_norm > 0 && norm > outer->clip_norm) scale = outer->clip_norm / norm;
    const double length = norm * scale > 1 ? norm * scale : 1, limit = sqrt(most);
    if (!(length < limit && outer->learning_rate * length < limit)) in_range = 0;
  }
};

IL_DEVICE inline bool taken(const Verdict& v) { return v.bad_task < 0 && v.finite && v.in_range; }

// Updates one parameter. `missed` is the number of steps since the last update of its row, without this one.
template <class T>
IL_DEVICE void update(const OuterCall<T>& c, const OuterTensor<T>& tensor, Index at, T g, double missed) {
  const T scale = static_cast<T>(c.is_rates ? c.verdict->rate_scale : c.verdict->scale);
  T p = c.values[at];
  const double l2 = tensor.l2 * (missed + 1);
  if (l2 > 0) g += static_cast<T>(l2) * p / scale;
  T m = c.first[at];
  if (!c.adam) {
    m = static_cast<T>(pow(c.momentum, missed + 1)) * m + scale * g;
    c.first[at] = m;
    c.values[at] = p - (c.rate * m + tensor.shrink * p);
    return;
  }
  T v = c.second[at];
  if (missed > 0) {
    m *= static_cast<T>(pow(c.beta1, missed));
    v *= static_cast<T>(pow(c.beta2, missed));
  }
  const T b1 = static_cast<T>(c.beta1), b2 = static_cast<T>(c.beta2), scaled = scale * g;
  m = b1 * m + (1 - b1) * scaled;
  v = b2 * v + (1 - b2) * scaled * scaled;
  c.first[at] = m;
  c.second[at] = v;
  c.values[at] = p - (c.step * m / (sqrt(v) * c.correction + c.epsilon) + tensor.shrink * p);
}

// A block updates kElementsOfBlock elements of a dense tensor, or kOuterRows rows of a table.
constexpr Index kOuterRows = 8;

IL_BOTH inline Index outer_blocks(int table, Index size, Index rows) {
  return table ? (rows + kOuterRows - 1) / kOuterRows : (size + kElementsOfBlock - 1) / kElementsOfBlock;
}

struct OuterUpdate {
  template <class T>
  struct Arguments {
    const OuterCall<T>* call;
  };
  template <class T>
  IL_DEVICE static void run(const Block& block, const Arguments<T>& arguments) {
    const OuterCall<T>& c = *arguments.call;
    if (!taken(*c.verdict)) return;
    int t = 0;
    Index at = block.index;
    for (; at >= outer_blocks(c.tensors[t].table, c.tensors[t].size, c.tensors[t].rows); ++t)
      at -= outer_blocks(c.tensors[t].table, c.tensors[t].size, c.tensors[t].rows);
    const OuterTensor<T>& tensor = c.tensors[t];
    if (!tensor.table) {
      const Index begin = at * kElementsOfBlock;
      const Index n = tensor.size - begin < kElementsOfBlock ? tensor.size - begin : kElementsOfBlock;
      block.each(n, [&](Index i) {
        const Index place = tensor.offset + begin + i;
        update(c, tensor, place, c.dense[place], 0);
      });
      return;
    }
    const Index begin = at * kOuterRows, w = tensor.width;
    const Index n = tensor.rows - begin < kOuterRows ? tensor.rows - begin : kOuterRows;
    block.each(n * w, [&](Index i) {
      const Index r = begin + i / w, row = tensor.row[r];
      const double missed = static_cast<double>(c.number - 1 - tensor.touched[row]);
      update(c, tensor, tensor.offset + row * w + i % w, tensor.block[r * w + i % w], missed);
    });
    block.each(n, [&](Index i) {
      const Index row = tensor.row[begin + i];
      tensor.touched[row] = c.number;
      if (tensor.max_norm == 0) return;
      T* p = c.values + tensor.offset + row * w;
      double squares = 0;
      for (Index j = 0; j < w; ++j) squares += static_cast<double>(p[j]) * static_cast<double>(p[j]);
      if (!(squares > tensor.max_norm * tensor.max_norm)) return;
      const T shorter = static_cast<T>(tensor.max_norm / sqrt(squares));
      for (Index j = 0; j < w; ++j) p[j] *= shorter;
    });
  }
};

}  // namespace innerloop::device
