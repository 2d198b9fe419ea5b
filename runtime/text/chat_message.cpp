#include "runtime/text/chat_message.hpp"

#include "runtime/base/json.hpp"
#include "runtime/text/utf8.hpp"

#include <algorithm>
#include <set>

namespace larql::text {

namespace {

constexpr std::size_t max_name = 128;

bool is_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"_-.:/"}.find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= max_name && std::all_of(name.begin(), name.end(), fits);
}

} // namespace

result<chat_role> parse_chat_role(std::string_view name) {
  if (name == "system" || name == "developer")
    return chat_role::system;
  if (name == "user")
    return chat_role::user;
  if (name == "assistant" || name == "model")
    return chat_role::model;
  if (name == "tool")
    return chat_role::tool;
  return fail(errc::usage,
              "the role of a message is {}, expected system, developer, user, assistant, model "
              "or tool",
              in_quotes(name));
}

result<void> check_tools(const std::vector<tool_definition>& tools) {
  auto names = std::set<std::string_view>{};
  for (const auto& tool : tools) {
    if (!is_name(tool.name))
      return fail(
          errc::usage,
          "the name of a tool is {}, expected 1 to {} letters, digits, and any of \"_-.:/\"",
          in_quotes(tool.name), max_name);
    if (!names.insert(tool.name).second)
      return fail(errc::usage, "two tools have the name {}", in_quotes(tool.name));
    if (tool.parameters.empty())
      continue;
    const auto where = fmt::format("the parameters of tool {}", in_quotes(tool.name));
    const auto parameters = parse_ordered_json(tool.parameters, where);
    if (!parameters)
      return failure{errc::usage, parameters.error().text};
    if (!parameters->is_object())
      return fail(errc::usage, "{} are {}, expected a JSON object", where, parameters->type_name());
  }
  return {};
}

} // namespace larql::text
