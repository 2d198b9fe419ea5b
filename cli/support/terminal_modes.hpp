// The modes of a terminal on which somebody talks with a program. Between two lines keys are
// neither shown nor gathered into lines, and pastes come with their marks. What the modes were
// before comes back at the end, before a stop, while another program has the terminal, and when the
// process ends at once.
//
// Owner     One at a time: the terminal at standard input is a single thing.
// Threads   One at a time.
// Errors    None: a terminal that has gone has no modes. In the background nothing is changed,
//           because the terminal is another's.

#pragma once

namespace larql::cli {

class terminal_modes {
public:
  /// Keeps the modes as they are now. `mark_pastes`: the terminal knows how.
  explicit terminal_modes(bool mark_pastes) noexcept;
  /// give_back()
  ~terminal_modes();
  terminal_modes(const terminal_modes&) = delete;
  terminal_modes& operator=(const terminal_modes&) = delete;

  /// Keys are quiet from now on, whoever has changed that. False in the background.
  bool take() noexcept;
  /// The modes are what they were at first.
  void give_back() noexcept;
  /// Others have had the terminal: how it is now is not known.
  void lost() noexcept;
};

/// What this process has changed is as it was; for whatever ends it at once. Async-signal-safe.
void give_terminal_back() noexcept;

/// How often others have had the terminal: whoever has drawn on it finds it changed then.
[[nodiscard]] unsigned terminal_losses() noexcept;

} // namespace larql::cli
