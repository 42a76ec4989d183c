// Makes an inner loop from what lib/foundation/native-contract.ts calls NativeInnerLoop.
#pragma once
#include "arguments.h"
#include "handle.h"

namespace innerloop {

// The result has been checked against its model, so that plan/ and solvers/ may trust it.
template <class T>
PreparedInnerLoop<T> prepare(std::shared_ptr<const Model<T>> model, const Napi::Object& from);

}  // namespace innerloop
