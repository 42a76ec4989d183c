#pragma once
#include <napi.h>

#include <algorithm>

#include "../model.h"

namespace innerloop {

// Arena layout to JavaScript's and back: linear weights are held transposed.
template <class T>
void outward(const TensorInfo& t, const T* from, T* to) {
  if (t.transposed) kernels<T>().transpose(t.shape[1], t.shape[0], from, t.shape[0], to, t.shape[1]);
  else std::copy_n(from, t.size, to);
}

template <class T>
Napi::Value to_typed_array(Napi::Env env, const TensorInfo& t, const T* from) {
  auto out = Napi::TypedArrayOf<T>::New(env, static_cast<std::size_t>(t.size));
  outward<T>(t, from, out.Data());
  return out;
}

template <class T>
void inward(const TensorInfo& t, const T* from, T* to) {
  if (t.transposed) kernels<T>().transpose(t.shape[0], t.shape[1], from, t.shape[1], to, t.shape[0]);
  else std::copy_n(from, t.size, to);
}

}  // namespace innerloop
