// What a pulled directory knows about itself: which repository, which commit, which files that
// commit has. And the lock that keeps a second process out.
//
// Source    docs/hub.md, "A pulled directory".

#pragma once

#include "runtime/hub/hub_json.hpp"
#include "runtime/hub/pull_target.hpp"
#include "runtime/hub/repo.hpp"

namespace larql::hub {

struct pull_state {
  std::string repo;     ///< "owner/name"
  std::string revision; ///< as it was asked for
  std::string commit;
  std::vector<remote_file> files; ///< of the commit

  friend bool operator==(const pull_state&, const pull_state&) = default;
};

[[nodiscard]] result<pull_state> parse_pull_state(std::string_view text, std::string_view name);
[[nodiscard]] std::string write_pull_state(const pull_state& state);

/// Nothing if the directory was never pulled into.
[[nodiscard]] result<std::optional<pull_state>> read_pull_state(const pull_layout& layout);

/// Held while a process pulls into a directory; goes with the process.
class pull_lock {
public:
  /// errc::unavailable if another process has it, and `wait` says no; `wait` is asked again and
  /// again.
  [[nodiscard]] static result<pull_lock> take(const pull_layout& layout,
                                              const std::function<bool()>& wait);

  pull_lock(pull_lock&& other) noexcept;
  pull_lock& operator=(pull_lock&& other) noexcept;
  ~pull_lock();

private:
  pull_lock() = default;
  int fd_ = -1;
};

} // namespace larql::hub
