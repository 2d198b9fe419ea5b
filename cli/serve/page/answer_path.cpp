#include "cli/serve/page/answer_path.hpp"

#include "runtime/base/parse_number.hpp"

#include <algorithm>

namespace larql::serve {

namespace {

constexpr auto id_digits = std::size_t{32};

bool is_id(std::string_view text) {
  return text.size() == id_digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

} // namespace

std::optional<answer_path> parse_answer_path(std::string_view path) {
  if (!path.starts_with(answer_prefix))
    return std::nullopt;
  path.remove_prefix(answer_prefix.size());
  const auto id = path.substr(0, path.find('/'));
  if (!is_id(id))
    return std::nullopt;
  auto out = answer_path{std::string{id}};
  const auto rest = path.substr(id.size());
  if (rest.empty())
    return out;
  if (rest == "/stop") {
    out.action = answer_action::stop;
    return out;
  }
  const auto offset = parse_number<std::uint64_t>(rest.substr(1));
  if (!offset)
    return std::nullopt;
  out.action = answer_action::read;
  out.offset = *offset;
  return out;
}

} // namespace larql::serve
