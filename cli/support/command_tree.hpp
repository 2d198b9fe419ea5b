// A program's commands and options as data, as its own parser gives them (command_parser.hpp): what
// help, manual pages and shell completions are made of, so that they cannot differ from what the
// program takes.

#pragma once

#include <string>
#include <vector>

namespace larql::cli {

struct option_description {
  std::vector<std::string> names; ///< "-t", "--threads"; one name without dashes for a positional
  std::string text;
  std::string default_value; ///< empty: none, or the text says it
  std::string group;         ///< heading; "Options" are those that most people need
  bool positional = false;
  bool required = false;
  bool takes_value = false;
  std::vector<std::string> choices; ///< values there are; empty: any
};

struct command_description {
  std::string path; ///< "larql topology check"
  std::string text;
  std::vector<std::string> examples;       ///< command lines
  std::string notes;                       ///< what else there is to say
  std::vector<option_description> options; ///< positionals first
  std::vector<command_description> commands;
};

/// The group of the options that most people need.
inline constexpr const char* common_options = "Options";

/// Every command that can be called, the program itself first.
[[nodiscard]] std::vector<const command_description*> all_commands(const command_description& c);

/// "larql run [OPTIONS] VINDEX [PROMPT]" as parts: the path first, then one part for each argument.
[[nodiscard]] std::vector<std::string> usage_of(const command_description& c);

} // namespace larql::cli
