// A terminal as a person has it, by tmux: keys and pastes in, the screen out. A shell with job
// control runs in it.
//
// Owner     The terminal and what runs in it are gone when the object is.
// Blocking  Waits have a deadline (child_process.hpp); they return false then.

#pragma once

#include "tests/support/temporary_directory.hpp"

#include <string>
#include <vector>

namespace larql::test {

class tmux_terminal {
public:
  /// Whether tmux(1) is here.
  [[nodiscard]] static bool is_there();

  tmux_terminal(unsigned columns, unsigned rows);
  ~tmux_terminal();
  tmux_terminal(const tmux_terminal&) = delete;
  tmux_terminal& operator=(const tmux_terminal&) = delete;

  /// Types a text, key by key.
  void type(const std::string& text) const;
  /// Presses a key by tmux's name: "Enter", "C-c".
  void press(const std::string& key) const;
  /// A line of the shell or of what runs in it.
  void enter(const std::string& line) const;
  /// `fg` in the shell; whether this program has the terminal then. Keys that are pressed before it
  /// has are the shell's.
  [[nodiscard]] bool bring_back(const std::string& program) const;
  /// Pastes a text as a terminal does.
  void paste(const std::string& text) const;
  void resize(unsigned columns, unsigned rows) const;

  /// What is on the screen and has left it at the top, long lines in one piece.
  [[nodiscard]] std::string screen() const;
  /// The same as it stands there, row by row.
  [[nodiscard]] std::vector<std::string> rows() const;
  /// Waits until the screen has `text` so many times.
  [[nodiscard]] bool wait_for(const std::string& text, unsigned times = 1) const;

private:
  void tmux(std::vector<std::string> arguments) const;
  [[nodiscard]] std::vector<std::string> command(std::vector<std::string> arguments) const;

  temporary_directory scratch_;
};

/// How often `what` stands in `text`.
[[nodiscard]] unsigned count_of(const std::string& text, const std::string& what);

/// A shell's command line of these words.
[[nodiscard]] std::string shell_line(const std::vector<std::string>& command);

} // namespace larql::test
