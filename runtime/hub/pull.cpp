#include "runtime/hub/pull.hpp"

#include "runtime/base/disk_space.hpp"
#include "runtime/base/file_writer.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/hub/hub_client.hpp"
#include "runtime/hub/pull_state.hpp"
#include "runtime/hub/transfer.hpp"
#include "runtime/hub/vindex_commit.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>

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

class puller {
public:
  puller(const repo& from, const pull_request& request, const fs::path& to,
         const pull_options& options)
      : from_(from), request_(request), layout_(to), options_(options) {}

  result<pull_outcome> run() {
    LARQL_TRY_VOID(check_destination_is_ours(layout_));
    const auto begin = std::chrono::steady_clock::now();
    LARQL_TRY(const auto lock, pull_lock::take(layout_, [&] {
                const auto early = std::chrono::steady_clock::now() - begin < last_writes;
                return (early || options_.wait_for_others) && !stopped();
              }));
    LARQL_TRY_VOID(remove_temporary_files(layout_.dir())); // of pulls that were killed
    if (auto found = find_commit(); !found) {
      remove_if_empty();
      return std::move(found).error();
    }
    LARQL_TRY(const auto meta, plan_meta(snapshot_));
    LARQL_TRY_VOID(fetch(meta, false));
    for (const auto& f : meta)
      if (f.is_meta)
        LARQL_TRY_VOID(move_into_place(layout_, f));
    LARQL_TRY_VOID(read_meta(meta));
    LARQL_TRY_VOID(check_listing(snapshot_, selection_, sums_ ? &*sums_ : nullptr));
    LARQL_TRY(const auto heads, plan_heads(snapshot_, selection_, model_));
    LARQL_TRY_VOID(fetch(heads, false));
    LARQL_TRY(const auto headers, read_headers(heads));
    LARQL_TRY(auto files, plan_all(snapshot_, selection_, model_, headers));
    LARQL_TRY_VOID(fetch(files, true));
    LARQL_TRY_VOID(check_small_files(files));
    LARQL_TRY_VOID(count_unchecked(files));
    LARQL_TRY_VOID(
        commit_vindex(layout_, {snapshot_, selection_, model_, sums_, remote_presence_}, files));
    outcome_.commit = snapshot_.commit;
    return outcome_;
  }

private:
  [[nodiscard]] bool stopped() const { return options_.http.stop.stop_requested(); }

  // A misspelt name leaves no directory behind.
  void remove_if_empty() const {
    auto error = std::error_code{};
    if (fs::exists(layout_.state(), error))
      return;
    fs::remove(layout_.lock(), error);
    fs::remove(layout_.own(), error); // of directories, only empty ones go
    fs::remove(layout_.dir(), error);
  }

  hub_client& hub() {
    if (!hub_)
      hub_.emplace(options_.http);
    return *hub_;
  }

  result<void> find_commit() {
    LARQL_TRY(auto state, read_pull_state(layout_));
    if (state && state->repo != from_.id())
      return fail(errc::usage, "{}: holds hf://{}, not hf://{}; choose another directory",
                  layout_.dir().string(), state->repo, from_.id());
    const auto fixed = is_commit_hash(from_.revision);
    auto commit = fixed ? from_.revision : std::string{};
    if (state && !fixed && options_.keep_commit && state->revision == from_.revision)
      commit = state->commit;
    if (commit.empty()) {
      LARQL_TRY(commit, hub().commit_of(from_));
    }
    if (!state || state->commit != commit) {
      state = pull_state{from_.id(), from_.revision, commit, {}};
      LARQL_TRY(state->files, hub().files_of(from_, commit));
    }
    state->revision = from_.revision;
    LARQL_TRY_VOID(save(*state));
    snapshot_ = {fmt::format("hf://{}@{}", from_.id(), from_.revision), commit,
                 std::move(state->files)};
    return {};
  }

  result<void> save(const pull_state& state) const {
    const auto text = write_pull_state(state);
    const auto found = read_text_file(layout_.state(), vindex::max_json_bytes);
    return found && *found == text ? result<void>{} : write_text_file(layout_.state(), text);
  }

  result<void> read_meta(const std::vector<planned_file>& meta) {
    const auto text_of = [&](std::string_view name) -> result<std::string> {
      for (const auto& f : meta)
        if (f.remote.path == name)
          return read_text_file(find_local(layout_, f).path, vindex::max_json_bytes);
      return std::string{};
    };
    const auto label = [&](std::string_view name) {
      return fmt::format("{}: {}", snapshot_.name, name);
    };
    LARQL_TRY(const auto index, text_of(vindex::index_file));
    LARQL_TRY(model_, vindex::parse_index(index, label(vindex::index_file)));
    LARQL_TRY(const auto sums, text_of(vindex::checksums_file));
    if (!sums.empty()) {
      LARQL_TRY(sums_, vindex::parse_checksums(sums, label(vindex::checksums_file)));
    }
    LARQL_TRY(const auto slice, text_of(vindex::slice_file));
    remote_presence_.holds = {vindex::everything(model_)};
    if (!slice.empty()) {
      LARQL_TRY(remote_presence_, vindex::parse_presence(slice, label(vindex::slice_file), model_));
    }
    return choose();
  }

  // What is asked for, and what is here already: a pull adds.
  result<void> choose() {
    LARQL_TRY(selection_, select(request_, model_));
    if (request_.to_run) {
      LARQL_TRY_VOID(vindex::require_dense(snapshot_.name, remote_presence_));
      for (const auto& b : selection_.blocks)
        LARQL_TRY_VOID(vindex::require_experts(snapshot_.name, remote_presence_, b));
    }
    // Of a slice, a request that names no experts gets all experts that it has.
    if (remote_presence_.sliced && !request_.experts && !request_.layers) {
      if (!selection_.blocks.empty())
        selection_.blocks = remote_presence_.holds;
    } else {
      for (const auto& b : selection_.blocks)
        LARQL_TRY_VOID(vindex::require_experts(snapshot_.name, remote_presence_, b));
    }
    LARQL_TRY(const auto has_index, path_exists(layout_.dir() / vindex::index_file));
    if (has_index) {
      const auto here = vindex::read_presence(layout_.dir(), model_);
      if (here) // else it is of another shape, and replaced
        add(selection_, *here);
    }
    return {};
  }

  result<layer_headers> read_headers(const std::vector<planned_file>& heads) const {
    auto out = layer_headers{};
    for (const auto& f : heads) {
      LARQL_TRY(const auto in, file::open(find_local(layout_, f).path));
      LARQL_TRY(auto header, vindex::read_layer_header(in, model_));
      out.emplace(*layer_of(f.remote.path, model_), std::move(header));
    }
    return out;
  }

  [[nodiscard]] result<std::vector<content_check>> checks(const planned_file& f,
                                                          const file& in) const {
    return checks_of(f, in, model_.layers != 0 ? &model_ : nullptr, sums_ ? &*sums_ : nullptr);
  }

  // Whether all of it is here, and checked as far as it can be.
  result<bool> is_complete(const planned_file& f, std::uint64_t& held_bytes, bool& checked) const {
    const auto local = find_local(layout_, f);
    const auto missing = f.wanted.without(local.state.held);
    held_bytes = f.wanted.bytes() - missing.bytes();
    checked = true;
    if (f.remote.bytes == 0)
      return path_exists(local.path);
    if (!missing.empty())
      return false;
    LARQL_TRY(const auto in, file::open(local.path));
    LARQL_TRY(const auto all, checks(f, in));
    auto covered = interval_set{};
    for (const auto& c : all) {
      covered.add(c.bytes);
      if (!local.state.verified.contains(c.bytes))
        return false;
    }
    checked = covered.contains(f.wanted);
    return true;
  }

  result<void> count_unchecked(const std::vector<planned_file>& files) {
    for (const auto& f : files) {
      auto held = std::uint64_t{0};
      auto checked = false;
      LARQL_TRY(const auto complete, is_complete(f, held, checked));
      LARQL_CHECK(complete);
      outcome_.unchecked_bytes += checked ? 0 : f.wanted.bytes();
    }
    return {};
  }

  // A file that no pull has brought is somebody's own.
  result<void> check_not_in_the_way(const planned_file& f) const {
    auto error = std::error_code{};
    const auto place = layout_.place(f.remote.path, f.is_meta);
    if (fs::exists(layout_.journal(f.remote.path), error) ||
        !fs::exists(fs::symlink_status(place, error)))
      return {};
    return fail(errc::usage,
                "{}: exists and was not made by a pull; move it away, or choose "
                "another directory",
                place.string());
  }

  // Files of git have no SHA-256 in the listing, so it is made when they are here.
  result<void> check_small_files(const std::vector<planned_file>& files) {
    for (const auto& f : files) {
      const auto edited = may_be_edited(f.remote.path);
      if (!sums_ || (!f.remote.sha256.empty() && !edited) || !f.is_whole())
        continue;
      const auto sum = sums_->files.find(f.remote.path);
      if (sum == sums_->files.end())
        continue;
      LARQL_TRY(const auto in, file::open(find_local(layout_, f).path));
      const auto all = byte_range{0, in.size_bytes()};
      LARQL_TRY(const auto found,
                hash_ranges(in, {&all, 1}, [this](std::uint64_t) { return !stopped(); }));
      if (found == sum->second.sha256)
        continue;
      if (!edited)
        return disagreement(snapshot_, f.remote.path, "the repository's", to_hex(found),
                            to_hex(sum->second.sha256));
      sums_->files.erase(sum);
    }
    return {};
  }

  result<void> fetch(const std::vector<planned_file>& files, bool is_last) {
    const auto again = options_.check && is_last;
    auto unfinished = std::vector<const planned_file*>{};
    auto p = pull_progress{};
    for (const auto& f : files) {
      auto held = std::uint64_t{0};
      auto checked = false;
      LARQL_TRY(const auto complete, is_complete(f, held, checked));
      p.total_bytes += f.wanted.bytes();
      p.resumed_bytes += held;
      if (!complete || (again && f.remote.bytes != 0))
        unfinished.push_back(&f);
    }
    if (is_last)
      outcome_.wanted_bytes = p.total_bytes;
    if (unfinished.empty())
      return {};
    LARQL_TRY_VOID(check_free_space(layout_.dir(), p.total_bytes - p.resumed_bytes));
    auto targets = std::vector<std::unique_ptr<pull_target>>{};
    for (const auto* f : unfinished) {
      LARQL_TRY_VOID(check_not_in_the_way(*f));
      targets.push_back(std::make_unique<pull_target>(layout_, *f, again));
    }
    auto o = transfer_options{};
    o.connections = options_.connections;
    o.url_of = [this](const remote_file& f) {
      return hub().file_url(from_, snapshot_.commit, f.path);
    };
    o.checks_of = [this](const planned_file& f, const file& in) { return checks(f, in); };
    o.on_progress = [&](std::uint64_t fetched, const std::string& name) {
      last_fetched_ = fetched;
      p.done_bytes = std::min(p.resumed_bytes + fetched, p.total_bytes);
      p.file = name;
      if (is_last && options_.on_progress)
        options_.on_progress(p);
    };
    hub(); // before the threads ask for URLs
    last_fetched_ = 0;
    const auto done = transfer(targets, options_.http, o);
    outcome_.fetched_bytes += last_fetched_;
    if (!done && done.error().code == errc::cancelled)
      return fail(errc::cancelled, "stopped; the same command goes on from here");
    return done;
  }

  const repo& from_;
  const pull_request& request_;
  pull_layout layout_;
  const pull_options& options_;
  std::optional<hub_client> hub_;

  snapshot snapshot_;
  vindex::model_config model_;
  std::optional<vindex::checksums> sums_;
  vindex::presence remote_presence_;
  selection selection_;
  std::uint64_t last_fetched_ = 0;
  pull_outcome outcome_;
};

} // namespace

result<pull_outcome> pull(const repo& from, const pull_request& request, const fs::path& to,
                          const pull_options& options) {
  return puller{from, request, to, options}.run();
}

} // namespace larql::hub
