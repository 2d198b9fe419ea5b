#include "cli/support/command_tree.hpp"

#include <algorithm>
#include <cctype>

namespace larql::cli {

namespace {

std::string upper_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

} // namespace

std::vector<const command_description*> all_commands(const command_description& c) {
  auto out = std::vector{&c};
  for (const auto& sub : c.commands) {
    const auto below = all_commands(sub);
    out.insert(out.end(), below.begin(), below.end());
  }
  return out;
}

std::vector<std::string> usage_of(const command_description& c) {
  auto out = std::vector{c.path};
  if (!c.commands.empty()) {
    out.push_back("COMMAND ...");
    return out;
  }
  out.push_back("[OPTIONS]");
  for (const auto& o : c.options)
    if (o.positional)
      out.push_back(o.required ? upper_case(o.names[0]) : "[" + upper_case(o.names[0]) + "]");
  return out;
}

} // namespace larql::cli
