#include "cli/support/manual.hpp"

#include <fmt/format.h>

namespace larql::cli {

namespace {

std::string join(const std::vector<std::string>& words, std::string_view between = " ") {
  auto out = std::string{};
  for (const auto& w : words)
    out.append(out.empty() ? "" : between).append(w);
  return out;
}

std::string last_word(const std::string& path) {
  return path.substr(path.rfind(' ') + 1);
}

// For the inside of single quotes; the three shells read it alike.
std::string in_quotes(std::string_view text) {
  auto out = std::string{};
  for (const auto c : text)
    out += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return out;
}

std::string function_name(const std::string& program) {
  auto out = '_' + program;
  for (auto& c : out)
    c = c == '-' ? '_' : c;
  return out;
}

// "larql run"|"larql chat": the paths that have one more word than another.
std::string sub_paths(const command_description& program) {
  auto out = std::vector<std::string>{};
  for (const auto* c : all_commands(program))
    if (c != &program)
      out.push_back(fmt::format("'{}'", c->path));
  return out.empty() ? "''" : join(out, "|");
}

std::vector<std::string> value_options(const command_description& c) {
  auto out = std::vector<std::string>{};
  for (const auto& o : c.options)
    if (!o.positional && o.takes_value && o.choices.empty())
      out.insert(out.end(), o.names.begin(), o.names.end());
  return out;
}

// One branch per option with a set of values.
std::string choice_branches(const command_description& program, std::string_view line) {
  auto out = std::string{};
  for (const auto* c : all_commands(program))
    for (const auto& o : c->options)
      if (!o.choices.empty() && !o.positional)
        for (const auto& name : o.names)
          out += fmt::format(fmt::runtime(line), fmt::arg("path", c->path), fmt::arg("name", name),
                             fmt::arg("choices", join(o.choices)));
  return out;
}

std::string bash(const command_description& program) {
  const auto f = function_name(program.path);
  auto words = std::string{}, values = std::string{};
  for (const auto* c : all_commands(program)) {
    auto all = std::vector<std::string>{};
    for (const auto& sub : c->commands)
      all.push_back(last_word(sub.path));
    for (const auto& o : c->options)
      if (!o.positional)
        all.insert(all.end(), o.names.begin(), o.names.end());
    words += fmt::format("    '{}') words='{}' ;;\n", c->path, join(all));
    if (const auto v = value_options(*c); !v.empty())
      values += fmt::format("    '{0} '{1}) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n",
                            c->path, join(v, fmt::format("|'{} '", c->path)));
  }
  return fmt::format(
      R"(# bash completion of {0}
{1}() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} path='{0}' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path ${{COMP_WORDS[i]}}" in
    {2}) path="$path ${{COMP_WORDS[i]}}" ;;
    esac
  done
  case "$path $prev" in
{3}{4}  esac
  case "$path" in
{5}  esac
  if [[ $cur == -* || $path == '{0}' ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$cur") $(compgen -f -- "$cur"))
  fi
}}
complete -o filenames -F {1} {0}
)",
      program.path, f, sub_paths(program),
      choice_branches(program,
                      "    '{path} {name}') COMPREPLY=($(compgen -W '{choices}' -- \"$cur\")); "
                      "return ;;\n"),
      values, words);
}

// A name and its text as _describe takes them.
std::string zsh_item(const std::string& name, const std::string& text) {
  auto escaped = std::string{};
  for (const auto c : name)
    escaped += c == ':' ? std::string{"\\:"} : std::string{c};
  return fmt::format("'{}:{}'", in_quotes(escaped), in_quotes(text));
}

std::string zsh(const command_description& program) {
  const auto f = function_name(program.path);
  auto branches = std::string{}, values = std::string{};
  for (const auto* c : all_commands(program)) {
    auto commands = std::vector<std::string>{}, options = std::vector<std::string>{};
    for (const auto& sub : c->commands)
      commands.push_back(zsh_item(last_word(sub.path), sub.text));
    for (const auto& o : c->options)
      for (const auto& name : o.names)
        if (!o.positional)
          options.push_back(zsh_item(name, o.text));
    branches += fmt::format("    '{}') commands=({}) options=({}) ;;\n", c->path, join(commands),
                            join(options));
    if (const auto v = value_options(*c); !v.empty())
      values += fmt::format("    '{0} '({1})) _files; return ;;\n", c->path, join(v, "|"));
  }
  return fmt::format(
      R"(#compdef {0}
{1}() {{
  local at='{0}' i
  local -a commands options
  for ((i = 2; i < CURRENT; i++)); do
    case "$at ${{words[i]}}" in
    ({2}) at="$at ${{words[i]}}" ;;
    esac
  done
  case "$at ${{words[CURRENT-1]}}" in
{3}{4}  esac
  case "$at" in
{5}  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o option options
  elif (( $#commands )); then
    _describe command commands
  else
    _files
  fi
}}
{1} "$@"
)",
      program.path, f, sub_paths(program),
      choice_branches(program, "    '{path} {name}') compadd {choices}; return ;;\n"), values,
      branches);
}

std::string fish(const command_description& program) {
  auto out = fmt::format("# fish completion of {0}\n", program.path);
  for (const auto* c : all_commands(program)) {
    auto condition = std::string{};
    auto words = std::stringstream{c->path.substr(program.path.size())};
    for (auto w = std::string{}; words >> w;)
      condition +=
          fmt::format("{}__fish_seen_subcommand_from {}", condition.empty() ? "" : "; and ", w);
    if (condition.empty() && !program.commands.empty())
      condition = "__fish_use_subcommand";
    const auto where = condition.empty() ? std::string{} : fmt::format(" -n '{}'", condition);
    for (const auto& sub : c->commands)
      out += fmt::format("complete -c {}{} -f -a {} -d '{}'\n", program.path, where,
                         last_word(sub.path), in_quotes(sub.text));
    for (const auto& o : c->options) {
      if (o.positional)
        continue;
      auto line = fmt::format("complete -c {}{}", program.path, where);
      for (const auto& name : o.names)
        line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (!o.choices.empty())
        line += fmt::format(" -x -a '{}'", join(o.choices));
      else if (o.takes_value)
        line += " -r";
      out += fmt::format("{} -d '{}'\n", line, in_quotes(o.text));
    }
  }
  return out;
}

} // namespace

std::string completion_script(const command_description& program, shell s) {
  switch (s) {
  case shell::bash: return bash(program);
  case shell::zsh: return zsh(program);
  case shell::fish: return fish(program);
  }
  return {};
}

} // namespace larql::cli
