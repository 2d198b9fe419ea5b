// Beside each file that is being pulled: which of its bytes are here, and which of those were
// checked. Text, appended to; a line that a crash cut short does not count.
//
//   larql-pull 1 SIZE CONTENT     the file it speaks of: size, and the Hub's hash of the content
//   boot ID                       the boot of the machine that wrote the rest
//   + BEGIN END                   bytes were written
//   v BEGIN END                   bytes were checked against a hash
//   - BEGIN END                   bytes were wrong: forget them
//   sync                          everything above is on disk
//
// What a killed process wrote is in the kernel's hands, so every line counts. After a crash of the
// machine (another boot) only what is above the last "sync" does.
//
// Threads   One at a time; the caller locks.

#pragma once

#include "runtime/base/interval_set.hpp"
#include "runtime/base/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace larql::hub {

/// Which content a journal is about.
struct content_id {
  std::uint64_t bytes = 0;
  std::string name; ///< SHA-256 or git's name
  friend bool operator==(const content_id&, const content_id&) = default;
};

struct journal_state {
  interval_set held;
  interval_set verified; ///< a part of `held`
};

/// Reads a journal's text. Empty if it is about another content, or damaged from the start; what is
/// damaged further down is left out from there on.
[[nodiscard]] journal_state parse_journal(std::string_view text, const content_id& of,
                                          std::string_view boot);

[[nodiscard]] std::string write_journal(const journal_state& state, const content_id& of,
                                        std::string_view boot);

/// Identifies the running kernel's boot; empty if that cannot be found out.
[[nodiscard]] std::string boot_id();

/// Reads the state of a file without opening it for writing.
[[nodiscard]] journal_state read_journal(const std::filesystem::path& path, const content_id& of);

class journal {
public:
  /// Starts from `state`, which is on disk, and writes the file anew.
  [[nodiscard]] static result<journal> create(const std::filesystem::path& path,
                                              const content_id& of, journal_state state);

  journal(journal&& other) noexcept;
  journal& operator=(journal&& other) noexcept;
  ~journal();

  [[nodiscard]] const journal_state& state() const noexcept { return state_; }

  [[nodiscard]] result<void> add(interval i);
  [[nodiscard]] result<void> verified(interval i);
  [[nodiscard]] result<void> discard(interval i);
  /// @pre the file's data is on disk
  [[nodiscard]] result<void> synced();

private:
  journal() = default;
  [[nodiscard]] result<void> append(std::string_view line);

  std::filesystem::path path_;
  int fd_ = -1;
  journal_state state_;
};

} // namespace larql::hub
