// Finds the items of a catalogue whose vectors point the way of one item's.
#pragma once
#include <functional>
#include <vector>

#include "best.h"
#include "item_features.h"

namespace innerloop {

// Gives the items nearest to that of a row by the cosine of the angle, the nearest first, without itself; their score
// is the cosine. A vector of zeros is near to nothing.
template <class T>
std::vector<Ranked> similar_items(const ItemFeatures<T>& features, Index row, Index count, int threads,
                                  const std::function<void()>& poll);

}  // namespace innerloop
