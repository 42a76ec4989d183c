// Reads what lib/foundation/addon.ts passes. TypeScript has validated the meaning; what memory safety needs is checked
// again here, types, lengths and index ranges, on copies that nobody else can change.
#pragma once
#include <napi.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "../kernels/kernels.h"
#include "../runtime/enumerators.h"
#include "../runtime/errors.h"

namespace innerloop {

inline Napi::Object object(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) throw Error("INVALID_OPTION", std::string(name) + " must be an object");
  return value.As<Napi::Object>();
}

inline Napi::Array array(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) throw Error("INVALID_OPTION", std::string(name) + " must be an array");
  return value.As<Napi::Array>();
}

inline double number(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsNumber()) throw Error("INVALID_OPTION", std::string(name) + " must be a number");
  return value.As<Napi::Number>().DoubleValue();
}

inline Index integer(double x, double low, double high, const char* name) {
  if (!(x >= low && x <= high) || x != static_cast<double>(static_cast<Index>(x)))
    throw Error("INVALID_OPTION", std::string(name) + " must be an integer between " +
                                      std::to_string(static_cast<Index>(low)) + " and " +
                                      std::to_string(static_cast<Index>(high)));
  return static_cast<Index>(x);
}

inline Index integer(const Napi::Object& from, const char* name, double low, double high) {
  return integer(number(from, name), low, high, name);
}

// Gives the value of one of these names.
inline int enumerator(const std::vector<Enumerator>& names, const Napi::Value& value, const char* field) {
  char given[32] = "";  // a longer name is cut, and is then that of no enumerator
  std::size_t length = 0;
  if (value.IsString()) napi_get_value_string_utf8(value.Env(), value, given, sizeof given, &length);
  for (const Enumerator& one : names)
    if (one.name == std::string_view(given, length)) return one.value;
  throw Error("INVALID_OPTION", std::string(field) + " has no such name");
}

// Gives a value, by its name, of an enum made by INNERLOOP_ENUM.
template <class E>
E enumerator(const Napi::Value& value, const char* field) {
  return static_cast<E>(enumerator(enumerators<E>(), value, field));
}

template <class E>
E enumerator(const Napi::Object& from, const char* field) {
  return enumerator<E>(from.Get(field), field);
}

constexpr double kMaxCount = 2147483647;

// Reads the whole numbers of a JavaScript array.
template <class R>
std::vector<R> numbers(const Napi::Value& from, const char* what, double least, double most) {
  const Napi::Array values = array(from, what);
  std::vector<R> result;
  for (std::uint32_t i = 0; i < values.Length(); ++i)
    result.push_back(static_cast<R>(integer(values.Get(i).ToNumber().DoubleValue(), least, most, what)));
  return result;
}

template <class X>
constexpr napi_typedarray_type kArrayType = std::is_same_v<X, float>          ? napi_float32_array
                                            : std::is_same_v<X, double>       ? napi_float64_array
                                            : std::is_same_v<X, std::uint8_t> ? napi_uint8_array
                                                                              : napi_int32_array;

// Copies a typed array, or its first `count` numbers where that is not negative. A SharedArrayBuffer or a view with an
// offset is read as what it shows, a detached buffer as empty.
template <class X, class Vector = std::vector<X>>
Vector copy(const Napi::Value& value, const char* name, Index count = -1) {
  napi_typedarray_type type;
  std::size_t length = 0;
  void* data = nullptr;
  bool is_typed = false;
  if (napi_is_typedarray(value.Env(), value, &is_typed) != napi_ok || !is_typed ||
      napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != kArrayType<X>)
    throw Error("INVALID_OPTION", std::string(name) + " must be a typed array of the right element type");
  const X* first = static_cast<const X*>(data);
  if (!first) length = 0;
  require(count <= static_cast<Index>(length), "a typed array is shorter than its count");
  if (count >= 0) length = static_cast<std::size_t>(count);
  return first ? Vector(first, first + length) : Vector();
}

// Reads one row number below `limit` for each of `rows` rows; a single number stands for all of them.
inline std::vector<std::int32_t> row_numbers(const Napi::Value& value, Index rows, Index limit, const char* name) {
  if (value.IsNumber()) {
    const double row = value.As<Napi::Number>().DoubleValue();
    return std::vector<std::int32_t>(rows,
                                     static_cast<std::int32_t>(integer(row, 0, static_cast<double>(limit) - 1, name)));
  }
  std::vector<std::int32_t> numbers = copy<std::int32_t>(value, name);
  require(static_cast<Index>(numbers.size()) == rows, "a side must name one row for each batch row");
  std::uint32_t largest = 0;  // unsigned, so that negative numbers are large too: one pass without a branch
  for (const std::int32_t r : numbers) largest = std::max(largest, static_cast<std::uint32_t>(r));
  require(rows == 0 || static_cast<Index>(largest) < limit, "a row number is outside its side");
  return numbers;
}

template <class X>
Napi::Value to_typed_array(Napi::Env env, const X* data, std::size_t n) {
  auto out = Napi::TypedArrayOf<X>::New(env, n);
  if (n > 0) std::copy_n(data, n, out.Data());
  return out;
}

template <class X, class A>
Napi::Value to_typed_array(Napi::Env env, const std::vector<X, A>& v) {
  return to_typed_array(env, v.data(), v.size());
}

}  // namespace innerloop
