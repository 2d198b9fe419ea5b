// One file that is being pulled: a sparse file of the right size, the journal of what it holds, and
// the checks it must pass. It takes descriptors only while it is worked on.
//
// Threads   Several may write disjoint ranges at once; everything else is for one thread, while no
//           other writes.
// Errors    Name the file; a full disk says so.

#pragma once

#include "runtime/base/file_hash.hpp"
#include "runtime/hub/hub_json.hpp"
#include "runtime/hub/journal.hpp"

#include <functional>
#include <memory>
#include <mutex>

namespace larql::hub {

/// Where the parts of a pulled directory are. All but the vindex itself is below ".larql-pull".
class pull_layout {
public:
  explicit pull_layout(std::filesystem::path dir) : dir_(std::move(dir)) {}

  [[nodiscard]] const std::filesystem::path& dir() const noexcept { return dir_; }
  [[nodiscard]] std::filesystem::path own() const { return dir_ / ".larql-pull"; }
  [[nodiscard]] std::filesystem::path state() const { return own() / "state.json"; }
  [[nodiscard]] std::filesystem::path lock() const { return own() / "lock"; }
  /// Files that are not complete yet. A GGUF has a name there that no other program opens.
  [[nodiscard]] std::filesystem::path part(std::string_view name) const {
    return own() / "parts" /
           (name.ends_with(".gguf") ? std::string{name} + ".partial" : std::string{name});
  }
  /// Files of the repository about itself: what the directory holds differs.
  [[nodiscard]] std::filesystem::path meta(std::string_view name) const {
    return own() / "meta" / name;
  }
  [[nodiscard]] std::filesystem::path journal(std::string_view name) const {
    return own() / "journals" / name;
  }

  /// Where a file of the repository ends up.
  [[nodiscard]] std::filesystem::path place(std::string_view name, bool is_meta) const {
    return is_meta ? meta(name) : dir_ / name;
  }

private:
  std::filesystem::path dir_;
};

/// Bytes of a file and the hash they must have.
struct content_check {
  interval_set bytes;
  std::vector<byte_range> ranges; ///< the same, in the order of hashing; empty: the whole file
  std::string sha256;             ///< empty: `git_blob` is the one to compare
  std::string git_blob;
  std::string what; ///< "expert 7"; empty: the file
};

/// What is wanted of a file of the repository.
struct planned_file {
  remote_file remote;
  interval_set wanted;
  bool is_meta = false;

  [[nodiscard]] content_id content() const { return {remote.bytes, remote.content_name()}; }
  [[nodiscard]] bool is_whole() const { return wanted.bytes() == remote.bytes; }
};

/// The checks that a file's bytes allow; called when all wanted bytes are here.
using checks_of_fn =
    std::function<result<std::vector<content_check>>(const planned_file&, const file&)>;

/// Where the file's bytes are now: its final place if that holds this content, else among the
/// parts. And what the journal says of them.
struct local_copy {
  std::filesystem::path path;
  journal_state state;
  bool in_place = false;
};
[[nodiscard]] local_copy find_local(const pull_layout& layout, const planned_file& f);

/// Gives a complete part its final place; does nothing if it is there. @pre on disk
[[nodiscard]] result<void> move_into_place(const pull_layout& layout, const planned_file& f);

class pull_target {
public:
  /// Nothing is lost that the journal vouches for; with `again`, what it calls checked is to be
  /// checked again.
  pull_target(const pull_layout& layout, planned_file f, bool again = false);
  ~pull_target();
  pull_target(const pull_target&) = delete;

  [[nodiscard]] const planned_file& plan() const noexcept { return plan_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] bool in_place() const noexcept { return in_place_; }
  [[nodiscard]] interval_set missing() const;

  /// Opens or creates the file, if it is not open.
  [[nodiscard]] result<void> start();
  /// Everything written so far is on disk afterwards, and the file is closed.
  [[nodiscard]] result<void> stop();

  // Between start() and stop():

  /// Writes bytes; they count once record() was called for them.
  [[nodiscard]] result<void> write(std::uint64_t offset, std::span<const std::byte> bytes);
  [[nodiscard]] result<void> record(interval written);

  /// Checks what was not checked before. Bytes that are wrong are forgotten; they are missing
  /// afterwards, and `what_failed` says which. `on_read` may stop it.
  [[nodiscard]] result<void> check(const checks_of_fn& checks_of, const hash_progress& on_read,
                                   std::string& what_failed);

private:
  [[nodiscard]] const journal_state& state() const { return journal_ ? journal_->state() : state_; }
  [[nodiscard]] result<void> sync_locked();
  [[nodiscard]] result<bool> passes(const content_check& c, const file& in,
                                    const hash_progress& on_read) const;

  planned_file plan_;
  std::filesystem::path path_;
  std::filesystem::path journal_path_;
  bool in_place_ = false;
  mutable std::mutex mutex_; // guards what follows
  int fd_ = -1;              // -1: not open
  std::optional<journal> journal_;
  journal_state state_; // while it is not open
  std::uint64_t unsynced_bytes_ = 0;
};

} // namespace larql::hub
