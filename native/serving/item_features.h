// Where a task changes nothing but the last layer, what that layer reads of an item is the same for everybody. It is
// computed once for a whole catalogue, and a score is then one dot product.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "../batch/batch.h"
#include "../plan/plan.h"

namespace innerloop {

// What the last layer reads of every row of a catalogue.
template <class T>
struct ItemFeatures {
  std::shared_ptr<const Model<T>> model;
  Index items = 0, width = 0;
  Aligned<T> values;   // [items, width]
  double longest = 0;  // the Euclidean length of the longest row; not known of vectors that no last layer reads
};

// Makes a batch with a row of `one` for each of these items, which are on the sides `item_sides`, in tasks of at most
// kItemChunk rows.
constexpr Index kItemChunk = 512;
template <class T>
std::shared_ptr<Batch<T>> for_items(const Batch<T>& one, std::span<const std::int32_t> items,
                                    const std::vector<int>& item_sides);

// Gives the features of the query rows of the plan's batch, in order. The model's last layer must be linear.
template <class T>
ItemFeatures<T> item_features(const Plan<T>& plan, const T* parameters, int threads, const std::function<void()>& poll);

}  // namespace innerloop
