// Makes a batch from what lib/foundation/native-contract.ts calls NativeRows.
#pragma once
#include "../batch/batch.h"
#include "arguments.h"

namespace innerloop {

template <class T>
std::shared_ptr<Batch<T>> build_batch(std::shared_ptr<const Model<T>> model, std::shared_ptr<const Frame<T>> frame,
                                      const Napi::Object& from);

}  // namespace innerloop
