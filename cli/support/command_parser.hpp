// The commands and options that a program takes, and the variables that their values go to.
//
//     auto program = program_parser{"larql", "Runs a mixture-of-experts model ..."};
//     auto command = program.add_command("tokenize", "Print the token ids of a text");
//     command.add_option("-t,--threads", o->threads, "Threads").check(whole_number(1, 64));
//
// The parser is CLI11. command_parser.cpp alone includes it: its headers cost the compiler seconds
// in every file.
//
// Owner     The program_parser. A command_parser or command_option is a handle, which may be copied
//           and is valid as long as the program_parser lives. A variable must live until the line
//           has been read.
// Errors    A name that is none, or that an option has already, is a bug of the caller and ends the
//           program.
// Threads   One.

#pragma once

#include "cli/support/command_tree.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace larql::cli {

/// Looks at a value as it was typed: "" if it is good, otherwise what is wrong with it, like
/// "is \"x\", expected a whole number".
using value_check = std::function<std::string(const std::string&)>;

class command_option {
public:
  command_option required();
  /// The heading that it stands under in help; "": it is hidden.
  command_option group(const std::string& heading);
  /// Checks run in the order in which they were added.
  command_option check(value_check c);
  command_option one_of(const std::vector<std::string>& values);
  /// Values that manual and completions name; others are not refused here.
  command_option suggest(const std::vector<std::string>& values);
  /// The two may not be given together.
  command_option excludes(command_option other);
  /// Several values may stand in one word with this between them.
  command_option delimiter(char between);
  /// Help shows what the variable holds now.
  command_option show_default();

  /// Once the line has been read.
  [[nodiscard]] bool is_given() const;

private:
  friend class command_parser;
  explicit command_option(CLI::Option* o) : option_(o) {}

  CLI::Option* option_;
};

class command_parser {
public:
  command_parser add_command(const std::string& name, const std::string& text);

  /// `names`: "-t,--threads", or one name without dashes for a positional. The variable keeps its
  /// value where the option is not given.
  command_option add_option(const std::string& names, std::string& to, const std::string& text);
  command_option add_option(const std::string& names, std::filesystem::path& to,
                            const std::string& text);
  command_option add_option(const std::string& names, int& to, const std::string& text);
  command_option add_option(const std::string& names, std::uint16_t& to, const std::string& text);
  command_option add_option(const std::string& names, std::uint32_t& to, const std::string& text);
  command_option add_option(const std::string& names, std::uint64_t& to, const std::string& text);
  command_option add_option(const std::string& names, float& to, const std::string& text);
  command_option add_option(const std::string& names, double& to, const std::string& text);
  command_option add_option(const std::string& names, std::optional<std::string>& to,
                            const std::string& text);
  command_option add_option(const std::string& names, std::optional<std::uint16_t>& to,
                            const std::string& text);
  command_option add_option(const std::string& names, std::optional<std::uint32_t>& to,
                            const std::string& text);
  command_option add_option(const std::string& names, std::optional<float>& to,
                            const std::string& text);
  /// May be repeated, with a value each.
  command_option add_option(const std::string& names, std::vector<std::string>& to,
                            const std::string& text);
  command_option add_option(const std::string& names, std::vector<std::uint32_t>& to,
                            const std::string& text);

  command_option add_flag(const std::string& names, bool& to, const std::string& text);
  /// "--probe{32}": without a value it means 32; --probe=64 gives another one.
  command_option add_flag(const std::string& names, std::string& to, const std::string& text);
  /// "--warmup,!--no-warmup": a flag and its opposite.
  command_option add_switch(const std::string& names, std::optional<bool>& to,
                            const std::string& text);

  /// One of its commands must be given.
  void require_command();
  /// One of these options at least must be given; `called` names them in the error.
  void require_any(std::vector<command_option> options, const std::string& called);
  /// Lines of examples, then an empty line and notes.
  void footer(const std::string& text);
  /// Called when the command was given and nothing is wrong with the line.
  void callback(std::function<void()> f);

  [[nodiscard]] bool has_commands() const;
  /// What it takes, as data.
  [[nodiscard]] command_description describe() const;

protected:
  struct program_state;
  command_parser(CLI::App* app, program_state* program) : app_(app), program_(program) {}

  CLI::App* app_;
  program_state* program_;
};

/// What came of reading a command line.
struct parse_outcome {
  enum class kind {
    complete, ///< the variables have their values
    told,     ///< help or version was asked for
    surplus,  ///< words or options that nothing takes
    missing,  ///< something that is required
    wrong,    ///< a value that is none, or anything else
  };
  kind what = kind::complete;
  std::string text; ///< what was asked for, or what is wrong
};

class program_parser : public command_parser {
public:
  /// Takes --help and --help-all, as every command that is added.
  program_parser(const std::string& name, const std::string& text);
  ~program_parser();
  program_parser(const program_parser&) = delete;
  program_parser& operator=(const program_parser&) = delete;

  void set_version(const std::string& text);

  /// Reads the words behind the program's name. Every option for a number checks that it is one.
  [[nodiscard]] parse_outcome parse(std::vector<std::string> words);

private:
  std::unique_ptr<program_state> state_;
};

} // namespace larql::cli
