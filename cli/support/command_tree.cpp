#include "cli/support/command_tree.hpp"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace larql::cli {

namespace {

// "a", "b" of a type name like "TEXT:{a,b}".
std::vector<std::string> choices_of(const std::string& type) {
  const auto begin = type.find('{'), end = type.find('}');
  auto out = std::vector<std::string>{};
  if (begin == std::string::npos || end == std::string::npos)
    return out;
  auto all = std::stringstream{type.substr(begin + 1, end - begin - 1)};
  for (auto one = std::string{}; std::getline(all, one, ',');)
    out.push_back(one);
  return out;
}

option_description describe_option(const CLI::Option& o) {
  auto out = option_description{};
  out.text = o.get_description();
  out.default_value = o.get_default_str();
  out.group = o.get_group();
  out.required = o.get_required();
  out.positional = o.get_positional() && o.get_lnames().empty() && o.get_snames().empty();
  out.takes_value = o.get_items_expected_max() > 0;
  out.choices = choices_of(o.get_type_name());
  if (out.positional) {
    out.names.push_back(o.get_single_name());
    return out;
  }
  for (const auto& name : o.get_snames())
    out.names.push_back("-" + name);
  for (const auto& name : o.get_lnames())
    out.names.push_back("--" + name);
  return out;
}

std::string upper_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

} // namespace

command_description describe(const CLI::App& app, const std::string& path) {
  auto out = command_description{};
  out.path = path;
  out.text = app.get_description();
  const auto footer = app.get_footer();
  const auto end = footer.find("\n\n");
  auto lines = std::stringstream{footer.substr(0, end)};
  for (auto line = std::string{}; std::getline(lines, line);)
    out.examples.push_back(line);
  if (end != std::string::npos)
    out.notes = footer.substr(end + 2);
  for (const auto* o : app.get_options())
    if (!o->get_group().empty()) // hidden otherwise
      out.options.push_back(describe_option(*o));
  std::stable_partition(out.options.begin(), out.options.end(),
                        [](const auto& o) { return o.positional; });
  for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    if (!sub->get_name().empty() && !sub->get_group().empty())
      out.commands.push_back(describe(*sub, path + ' ' + sub->get_name()));
  return out;
}

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
