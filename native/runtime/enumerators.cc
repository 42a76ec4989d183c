#include "enumerators.h"

#include <algorithm>
#include <cctype>

namespace innerloop {
namespace {

std::string camel_case(std::string_view name) {
  std::string camel;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool starts_word = i > 0 && name[i - 1] == '_';
    if (name[i] != '_')
      camel += starts_word ? static_cast<char>(std::toupper(static_cast<unsigned char>(name[i]))) : name[i];
  }
  return camel;
}

}  // namespace

std::vector<Enumerator> parse_enumerators(std::string_view list) {
  std::vector<Enumerator> all;
  while (!list.empty()) {
    const std::string_view one = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), one.size() + 1));
    const std::size_t begin = one.find_first_not_of(' '), end = one.find_first_of(" =", begin), equals = one.find('=');
    if (begin == std::string_view::npos) continue;
    const int next = all.empty() ? 0 : all.back().value + 1;
    all.push_back({camel_case(one.substr(begin, end - begin)),
                   equals == std::string_view::npos ? next : std::stoi(std::string(one.substr(equals + 1)))});
  }
  return all;
}

}  // namespace innerloop
