#include "cli/support/help.hpp"

#include "cli/support/environment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace larql::cli {

namespace {

constexpr std::size_t screen_columns = 80;
constexpr std::size_t names_columns = 24;

// The words of `text`, after `out`, whose last line has `column` characters; further lines begin
// with `indent` blanks. Line ends of the text stay.
void add_wrapped(std::string& out, std::size_t column, const std::string& text,
                 std::size_t indent) {
  auto lines = std::stringstream{text};
  auto first_line = true;
  for (auto line = std::string{}; std::getline(lines, line); first_line = false) {
    if (!first_line) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    }
    auto words = std::stringstream{line};
    auto first = true;
    for (auto word = std::string{}; words >> word; first = false) {
      if (!first && column + 1 + word.size() > screen_columns) {
        out += '\n' + std::string(indent, ' ');
        column = indent;
        first = true;
      }
      out += first ? word : ' ' + word;
      column += word.size() + (first ? 0 : 1);
    }
  }
  out += '\n';
}

// "  left                    text", wrapped.
void add_entry(std::string& out, const std::string& left, const std::string& text) {
  auto head = "  " + left;
  if (head.size() + 2 > names_columns && !text.empty() &&
      head.size() + 2 + text.size() > screen_columns) {
    out += head + '\n';
    head.clear();
  }
  head.resize(std::max(head.empty() ? names_columns : head.size() + 2, names_columns), ' ');
  out += head;
  add_wrapped(out, head.size(), text, names_columns);
}

std::string names_of(const option_description& o) {
  auto out = std::string{};
  for (const auto& name : o.names)
    out += (out.empty() ? "" : ", ") + name;
  if (o.positional)
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

// The option with its choices and its default.
std::string text_of(const option_description& o, bool all) {
  auto out = all ? o.text : o.text.substr(0, o.text.find('\n'));
  if (!all && out.ends_with(':')) // a list followed
    out.pop_back();
  constexpr auto longest_choices = std::size_t{40}; // more would not fit a line
  if (const auto choices = fmt::format("{}", fmt::join(o.choices, "|"));
      !choices.empty() && choices.size() <= longest_choices)
    out += fmt::format(" [{}]", choices);
  if (!o.default_value.empty())
    out += fmt::format(" (default: {})", o.default_value);
  return out;
}

// The parser gives every command options for help, and no group of their own.
std::string group_of(const option_description& o) {
  const auto& name = o.names.back();
  return name == "--help" || name == "--help-all" || name == "--version" ? "Help" : o.group;
}

std::vector<std::string> groups_of(const command_description& c) {
  auto out = std::vector<std::string>{};
  for (const auto& o : c.options)
    if (const auto g = group_of(o);
        !o.positional && g != "Help" && std::find(out.begin(), out.end(), g) == out.end())
      out.push_back(g);
  std::stable_partition(out.begin(), out.end(), [](const auto& g) { return g == common_options; });
  out.emplace_back("Help");
  return out;
}

void add_group(std::string& out, const command_description& c, const std::string& group, bool all) {
  if (all || group == common_options) {
    out += group + ":\n";
    for (const auto& o : c.options)
      if (!o.positional && group_of(o) == group)
        add_entry(out, names_of(o), text_of(o, all));
    return;
  }
  auto names = group + ":";
  for (const auto& o : c.options)
    if (!o.positional && group_of(o) == group)
      names += ' ' + *std::find_if(o.names.begin(), o.names.end() - 1,
                                   [](const auto& n) { return n.starts_with("--"); });
  add_wrapped(out, 0, names, 2);
}

void add_environment(std::string& out, bool explain) {
  if (explain) {
    out += "Environment:\n";
    for (const auto& v : common_variables())
      add_entry(out, v.name, v.text);
    return;
  }
  auto names = std::string{"Environment:"};
  for (const auto& v : common_variables())
    names += fmt::format(" {}", v.name);
  add_wrapped(out, 0, names, 2);
}

// A list of commands fills the screen, so that its examples go without a line for their heading.
void add_examples(std::string& out, const command_description& c) {
  const auto heading = std::string_view{c.commands.empty() ? "Examples:\n" : "Examples: "};
  const auto indent = c.commands.empty() ? 2u : heading.size();
  for (const auto& example : c.examples) {
    const auto is_first = &example == &c.examples.front();
    out += is_first ? heading : "";
    out.append(is_first && !c.commands.empty() ? 0 : indent, ' ').append(example) += '\n';
  }
}

// A command of a list takes one line: what comes behind a semicolon is left out.
std::string in_short(const std::string& text) {
  return text.substr(0, text.find(';'));
}

} // namespace

std::string help_text(const command_description& c, bool all) {
  auto out = std::string{};
  add_wrapped(out, 0, c.text, 0);
  add_wrapped(out, 0, fmt::format("Usage: {}", fmt::join(usage_of(c), " ")), 7);
  add_examples(out, c);
  if (!c.commands.empty())
    out += "Commands:\n";
  for (const auto& sub : c.commands)
    add_entry(out, sub.path.substr(c.path.size() + 1), all ? sub.text : in_short(sub.text));
  for (const auto& o : c.options)
    if (o.positional)
      add_entry(out, names_of(o), text_of(o, all));
  for (const auto& group : groups_of(c))
    add_group(out, c, group, all);
  if (all || c.commands.empty()) // a list of commands needs the lines; each command names them
    add_environment(out, all);
  if (all && !c.notes.empty()) {
    out += '\n';
    out += c.notes + (c.notes.back() == '\n' ? "" : "\n");
  }
  return out;
}

} // namespace larql::cli
