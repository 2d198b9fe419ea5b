#include "cli/support/usage_error.hpp"

#include "cli/support/command.hpp"
#include "runtime/base/nearest_word.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace larql::cli {

namespace {

using words = std::vector<std::string>;

// What other programs of this kind call a command of ours.
struct synonym {
  const char* theirs;
  const char* ours;
};
constexpr synonym synonyms[] = {
    {"ask", "run"},        {"generate", "run"},    {"show", "inspect"},    {"info", "inspect"},
    {"ps", "status"},      {"nodes", "status"},    {"convert", "extract"}, {"import", "extract"},
    {"create", "extract"}, {"download", "pull"},   {"push", "publish"},    {"upload", "publish"},
    {"check", "verify"},   {"encode", "tokenize"}, {"stop", "drain"},      {"benchmark", "bench"}};

std::string last_word(const std::string& path) {
  return path.substr(path.rfind(' ') + 1);
}

// Of the description, which outlives the result.
std::vector<std::string_view> names_of(const std::vector<command_description>& commands) {
  auto out = std::vector<std::string_view>{};
  for (const auto& c : commands)
    out.push_back(std::string_view{c.path}.substr(c.path.rfind(' ') + 1));
  return out;
}

const option_description* find_option(const command_description& c, const std::string& name) {
  for (const auto& o : c.options)
    if (!o.positional && std::find(o.names.begin(), o.names.end(), name) != o.names.end())
      return &o;
  return nullptr;
}

// "--top-k=3" is --top-k, "-n3" is -n.
std::string option_name(const std::string& word) {
  return word.starts_with("--") ? word.substr(0, word.find('=')) : word.substr(0, 2);
}

bool looks_like_option(const std::string& word) {
  return word.size() > 1 && word[0] == '-' && word != "--";
}

// The command that the words name, and how many words did so.
struct found_command {
  const command_description* command;
  std::size_t used = 0;
};

found_command find_command(const command_description& program, const words& line) {
  auto out = found_command{&program};
  for (; out.used < line.size(); ++out.used) {
    const auto& subs = out.command->commands;
    const auto sub = std::find_if(subs.begin(), subs.end(), [&](const auto& c) {
      return last_word(c.path) == line[out.used];
    });
    if (sub == subs.end())
      break;
    out.command = &*sub;
  }
  return out;
}

std::string question(std::string_view meant) {
  return meant.empty() ? std::string{} : fmt::format(", did you mean {}?", meant);
}

std::string explain_command(const command_description& c, const words& rest) {
  const auto list = fmt::format("`{} --help` lists them", c.path);
  for (const auto& word : rest) {
    if (!looks_like_option(word)) {
      auto meant = nearest_word(word, names_of(c.commands));
      for (const auto& s : synonyms)
        if (word == s.theirs && meant.empty() && c.path.find(' ') == std::string::npos)
          meant = s.ours;
      return fmt::format("there is no command {}{}{}", word, question(meant),
                         meant.empty() ? "; " + list : "");
    }
    if (find_option(c, option_name(word)) == nullptr)
      break; // explain_option has more to say
  }
  return fmt::format("the command is missing; {}", list);
}

// The first unknown option among the words; nothing if all are known.
std::optional<std::string> explain_option(const command_description& c, const words& rest) {
  auto known = std::vector<std::string_view>{};
  for (const auto& o : c.options)
    if (!o.positional)
      known.insert(known.end(), o.names.begin(), o.names.end());
  for (auto i = std::size_t{0}; i < rest.size() && rest[i] != "--"; ++i) {
    if (!looks_like_option(rest[i]))
      continue;
    const auto name = option_name(rest[i]);
    const auto* option = find_option(c, name);
    if (option == nullptr) {
      const auto meant = name.starts_with("--") ? nearest_word(name, known) : std::string_view{};
      return fmt::format("unknown option {}{}{}", name.starts_with("--") ? name : rest[i],
                         question(meant),
                         meant.empty() ? fmt::format("; `{} --help-all` lists them", c.path) : "");
    }
    if (option->takes_value && rest[i] == name)
      ++i; // its value
  }
  return std::nullopt;
}

// The words beyond the last argument.
std::string explain_surplus(const command_description& c, const words& rest) {
  auto left =
      std::count_if(c.options.begin(), c.options.end(), [](const auto& o) { return o.positional; });
  auto surplus = words{};
  for (auto i = std::size_t{0}; i < rest.size(); ++i) {
    if (looks_like_option(rest[i])) {
      const auto* option = find_option(c, option_name(rest[i]));
      i += option != nullptr && option->takes_value && rest[i] == option_name(rest[i]) ? 1 : 0;
    } else if (left-- <= 0) {
      surplus.push_back(rest[i]);
    }
  }
  return fmt::format("surplus: {}; an argument of several words needs quotes around it",
                     fmt::join(surplus, " "));
}

std::string usage_line(const command_description& c) {
  return fmt::format("{}", fmt::join(usage_of(c), " "));
}

} // namespace

std::string explain_usage(const command_description& program, const words& line,
                          const parse_outcome& error) {
  using kind = parse_outcome::kind;
  const auto [command, used] = find_command(program, line);
  const auto rest = words(line.begin() + static_cast<std::ptrdiff_t>(used), line.end());
  const auto says = [c = command](const std::string& text) {
    return fmt::format("{}: {}", c->path, text);
  };
  if (error.what == kind::wrong)
    return says(error.text);
  if (!command->commands.empty() && (rest.empty() || !looks_like_option(rest[0])))
    return says(explain_command(*command, rest));
  if (const auto unknown = explain_option(*command, rest))
    return says(*unknown);
  if (!command->commands.empty())
    return says(explain_command(*command, rest));
  if (error.what == kind::surplus)
    return says(explain_surplus(*command, rest));
  return says(fmt::format("{}: {}", error.text, usage_line(*command)));
}

std::optional<int> parse_arguments(program_parser& program, int argc, const char* const* argv) {
  auto line = words(argv + std::min(argc, 1), argv + argc);
  if (!line.empty() && line[0] == "help" && program.has_commands()) {
    line.erase(line.begin()); // "help run" is "run --help"
    line.push_back("--help");
  }
  const auto outcome = program.parse(line);
  switch (outcome.what) {
  case parse_outcome::kind::complete: return std::nullopt;
  case parse_outcome::kind::told: print_text(outcome.text); return exit_ok;
  default:
    say_text(one_line(explain_usage(program.describe(), line, outcome)) + '\n');
    return exit_usage;
  }
}

} // namespace larql::cli
