#include "runtime/text/tokenizer_rules.hpp"

namespace larql::text {

std::string text_replacement::apply(std::string_view text) const {
  auto out = std::string{};
  out.reserve(text.size() + text.size() / 4);
  while (!from.empty()) {
    const auto at = text.find(from);
    if (at == std::string_view::npos)
      break;
    out.append(text.substr(0, at)).append(to);
    text.remove_prefix(at + from.size());
  }
  return out.append(text);
}

} // namespace larql::text
