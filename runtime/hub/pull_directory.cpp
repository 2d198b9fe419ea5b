#include "runtime/hub/pull_directory.hpp"

#include "runtime/base/file_writer.hpp"
#include "runtime/vindex/format.hpp"

#include <chrono>

namespace larql::hub {

namespace {

namespace fs = std::filesystem;

// A process that was killed holds the lock until the kernel is through with its last writes.
constexpr auto last_writes = std::chrono::seconds{5};

// A directory with files that no pull made belongs to something else.
result<void> check_destination_is_ours(const pull_layout& layout) {
  auto error = std::error_code{};
  if (fs::exists(layout.own(), error) || !fs::exists(layout.dir(), error))
    return {};
  if (!fs::is_directory(layout.dir(), error) || !fs::is_empty(layout.dir(), error))
    return fail(errc::usage, "{}: exists and was not made by a pull; choose another directory",
                layout.dir().string());
  return {};
}

void remove_if_empty(const pull_layout& layout) {
  auto error = std::error_code{};
  if (fs::exists(layout.state(), error))
    return;
  fs::remove(layout.lock(), error);
  fs::remove(layout.own(), error); // of directories, only empty ones go
  fs::remove(layout.dir(), error);
}

result<void> save(const pull_layout& layout, const pull_state& state) {
  const auto text = write_pull_state(state);
  const auto found = read_text_file(layout.state(), vindex::max_json_bytes);
  return found && *found == text ? result<void>{} : write_text_file(layout.state(), text);
}

result<snapshot> find_commit(const repo& from, const pull_layout& layout, hub_client& hub,
                             bool keep) {
  LARQL_TRY(auto state, read_pull_state(layout));
  if (state && state->repo != from.id())
    return fail(errc::usage, "{}: holds hf://{}, not hf://{}; choose another directory",
                layout.dir().string(), state->repo, from.id());
  const auto fixed = is_commit_hash(from.revision);
  auto commit = fixed ? from.revision : std::string{};
  if (state && !fixed && keep && state->revision == from.revision)
    commit = state->commit;
  if (commit.empty()) {
    LARQL_TRY(commit, hub.commit_of(from));
  }
  if (!state || state->commit != commit) {
    state = pull_state{from.id(), from.revision, commit, {}};
    LARQL_TRY(state->files, hub.files_of(from, commit));
  }
  state->revision = from.revision;
  LARQL_TRY_VOID(save(layout, *state));
  return snapshot{fmt::format("hf://{}@{}", from.id(), from.revision), commit,
                  std::move(state->files)};
}

} // namespace

result<begun_pull> begin_pull(const repo& from, const pull_layout& layout, hub_client& hub,
                              const pull_options& options) {
  LARQL_TRY_VOID(check_destination_is_ours(layout));
  const auto begin = std::chrono::steady_clock::now();
  LARQL_TRY(auto lock, pull_lock::take(layout, [&] {
              const auto early = std::chrono::steady_clock::now() - begin < last_writes;
              return (early || options.wait_for_others) && !options.http.stop.stop_requested();
            }));
  LARQL_TRY_VOID(remove_temporary_files(layout.dir())); // of pulls that were killed
  auto found = find_commit(from, layout, hub, options.keep_commit);
  if (!found) {
    remove_if_empty(layout);
    return std::move(found).error();
  }
  return begun_pull{std::move(lock), *std::move(found)};
}

} // namespace larql::hub
