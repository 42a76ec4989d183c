// Enums whose values JavaScript gives by name. One list makes both the enum and the table of its names, which the addon
// exports.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace innerloop {

struct Enumerator {
  std::string name;  // as JavaScript spells it: perTensorStep of per_tensor_step
  int value;
};

// The list of an enum, as INNERLOOP_ENUM was given it.
template <class E>
inline constexpr std::string_view kEnumeratorList{};

// Gives the names and values of such a list, in its order.
std::vector<Enumerator> parse_enumerators(std::string_view list);

template <class E>
const std::vector<Enumerator>& enumerators() {
  static_assert(!kEnumeratorList<E>.empty(), "an enum made by INNERLOOP_ENUM");
  static const std::vector<Enumerator> all = parse_enumerators(kEnumeratorList<E>);
  return all;
}

}  // namespace innerloop

// At namespace innerloop: INNERLOOP_ENUM(Name, first, second = -1, …) is enum class Name : int { … }.
#define INNERLOOP_ENUM(Name, ...)        \
  enum class Name : int { __VA_ARGS__ }; \
  template <>                            \
  inline constexpr std::string_view kEnumeratorList<Name> = #__VA_ARGS__;
