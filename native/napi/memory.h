// Counts the memory that native objects take. The garbage collector is told of it, so that it knows when to run.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "../batch/batch.h"
#include "../graphs/graph.h"
#include "../meta/store.h"
#include "../plan/inner_loop.h"
#include "../serving/item_features.h"
#include "../serving/ranking.h"
#include "../serving/text_index.h"
#include "../task/adapted.h"

namespace innerloop {

struct Token;

// What the rankings of one catalogue share.
template <class T>
struct Ranker {
  std::shared_ptr<Store<T>> store;
  int threads = 1;
  Ranking<T> ranking;               // without users, and of all items of the pool
  InnerLoop<T> adapts;              // what packed tasks are checked against
  std::shared_ptr<Frame<T>> frame;  // where there are no features
};

// An inner loop that has been read, for any number of calls.
template <class T>
struct PreparedInnerLoop {
  std::shared_ptr<const Model<T>> model;
  InnerLoop<T> inner;
  std::shared_ptr<Store<T>> rates;  // where the rates are parameters
};

// What an object takes beside its arrays, which counts where there are many objects.
constexpr std::int64_t kObject = 256;

template <class X, class A>
std::int64_t bytes_of(const std::vector<X, A>& v) {
  return static_cast<std::int64_t>(v.capacity() * sizeof(X));
}
template <class X>
std::int64_t bytes_of(const std::vector<std::vector<X>>& v) {
  std::int64_t bytes = static_cast<std::int64_t>(v.capacity() * sizeof(v[0]));
  for (const auto& each : v) bytes += bytes_of(each);
  return bytes;
}

template <class T>
std::int64_t bytes_of(const Model<T>& model) {
  return kObject * static_cast<std::int64_t>(1 + model.layers.size() + model.tensors.size());
}
template <class T>
std::int64_t bytes_of(const Store<T>& store) {
  return kObject + bytes_of(*store.values) + bytes_of(store.first_moment) + bytes_of(store.second_moment) +
         bytes_of(store.touched);
}
template <class T>
std::int64_t column_bytes(const typename Frame<T>::Column& column) {
  return bytes_of(column.dense) + bytes_of(column.ids) + bytes_of(column.offsets);
}
template <class T>
std::int64_t bytes_of(const Frame<T>& frame) {
  std::int64_t bytes = kObject;
  for (const auto& column : frame.columns) bytes += column_bytes<T>(column);
  return bytes;
}
// Twice the bytes of its rows, because the first call that needs an index adds one of about that size, off this thread.
template <class T>
std::int64_t bytes_of(const Batch<T>& batch) {
  std::int64_t bytes = bytes_of(batch.begin) + bytes_of(batch.sides) + bytes_of(batch.labels) +
                       bytes_of(batch.row_weights) + bytes_of(batch.weights);
  for (const auto& [input, column] : batch.overrides) bytes += column_bytes<T>(column);
  return kObject + 2 * bytes;
}
template <class T>
std::int64_t bytes_of(const Adapted<T>& adapted) {
  return kObject + bytes_of(adapted.dense) + bytes_of(adapted.rows) + bytes_of(adapted.blocks) +
         bytes_of(adapted.kept) + bytes_of(adapted.factor) + bytes_of(adapted.mode) +
         (adapted.dual ? bytes_of(adapted.dual->G) : 0);
}
template <class T>
std::int64_t bytes_of(const Graph<T>& program) {
  return kObject * static_cast<std::int64_t>(1 + program.nodes.size());
}
template <class T>
std::int64_t bytes_of(const PreparedInnerLoop<T>& loop) {
  return kObject + bytes_of(loop.inner.step_rates);  // the rates' store has a handle of its own
}
template <class T>
std::int64_t bytes_of(const ItemFeatures<T>& features) {
  return kObject + bytes_of(features.values);
}
inline std::int64_t bytes_of(const ItemPool& pool) {
  return kObject + bytes_of(pool.rows) + bytes_of(pool.offset) + bytes_of(pool.boost);
}
template <class T>
std::int64_t bytes_of(const Ranker<T>&) {
  return kObject;  // what it reads has handles of its own
}
inline std::int64_t bytes_of(const TextIndex& index) { return kObject + index.bytes(); }
inline std::int64_t bytes_of(const Token&) { return 64; }

}  // namespace innerloop
