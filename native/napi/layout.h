#pragma once
#include <algorithm>
#include <vector>

#include "../model.h"

namespace innerloop {

// Arena layout to JavaScript's and back: linear weights are held transposed.
template <class T>
std::vector<T> outward(const TensorInfo& t, const T* data) {
  std::vector<T> out(data, data + t.size);
  if (!t.transposed) return out;
  const Index rows = t.shape[0], columns = t.shape[1];
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < columns; ++c) out[r * columns + c] = data[c * rows + r];
  return out;
}

template <class T>
void inward(const TensorInfo& t, const T* from, T* to) {
  if (!t.transposed) {
    std::copy_n(from, t.size, to);
    return;
  }
  const Index rows = t.shape[0], columns = t.shape[1];
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
}

}  // namespace innerloop
