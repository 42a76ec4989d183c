// An adapted task as one array of bytes, which JavaScript owns: a garbage collector frees such arrays at once and knows
// their size, where native objects wait for the event loop. The bytes may also have been stored by somebody else in
// between, so nothing in them is believed.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "../plan/inner_loop.h"
#include "../task/adapted.h"

namespace innerloop {

template <class T>
std::vector<std::byte> pack_adapted(const Adapted<T>& adapted);

// @param inner says which tensors are adapted, and by which graph
// Throws INVALID_OPTION unless the bytes are of this model and inner loop, with finite sizes and rows within tables.
template <class T>
Adapted<T> unpack_adapted(std::shared_ptr<const Model<T>> model, const InnerLoop<T>& inner,
                          std::span<const std::byte> bytes);

}  // namespace innerloop
