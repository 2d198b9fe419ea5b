#include "cli/support/hub_model.hpp"

#include "cli/support/cache.hpp"
#include "cli/support/compute_choice.hpp"
#include "cli/support/local_model.hpp"
#include "cli/support/model_path.hpp"
#include "cli/support/output.hpp"
#include "cli/support/progress.hpp"
#include "cli/support/version.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/hub/checkpoint_pull.hpp"
#include "runtime/hub/gguf_pull.hpp"
#include "runtime/hub/model_listing.hpp"
#include "runtime/hub/pull_directory.hpp"
#include "runtime/vindex/format.hpp"

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

result<hub::pull_options> options_for_use(const std::stop_token& stop) {
  auto out = hub::pull_options{};
  LARQL_TRY(out.http, hub_settings(stop));
  out.keep_commit = true;
  out.wait_for_others = true;
  return out;
}

// What the repository has, at the commit that the directory is at afterwards.
result<hub::snapshot> look(const hub::model_address& model, const fs::path& to,
                           const std::stop_token& stop) {
  LARQL_TRY(const auto options, options_for_use(stop));
  auto client = hub::hub_client{options.http};
  LARQL_TRY(auto begun, hub::begin_pull(model.repo, hub::pull_layout{to}, client, options));
  return std::move(begun.from);
}

result<fs::path> open_gguf(const hub::model_address& model, const fs::path& to,
                           const hub::pull_request& needs, const std::stop_token& stop) {
  LARQL_TRY(auto options, options_for_use(stop));
  options.on_progress = pull_progress_line();
  LARQL_TRY(const auto done, hub::pull_gguf(model, needs, to, options));
  options.on_progress = nullptr; // ends the line
  if (done.outcome.fetched_bytes != 0)
    log_info("hub", "{} at {}: {} here, {} fetched{}", model.text(),
             done.outcome.commit.substr(0, 12), format_bytes(done.outcome.wanted_bytes),
             format_bytes(done.outcome.fetched_bytes), unchecked_note(done.outcome));
  return open_gguf_files({done.files, done.contents, done.here}, needs, stop);
}

// A vindex is made of it while it arrives.
result<fs::path> open_checkpoint(const hub::model_address& model, const fs::path& to,
                                 const hub::snapshot& s, const hub::pull_request& needs,
                                 const std::stop_token& stop) {
  LARQL_TRY(const auto dir, cached_extract_path(hub::checkpoint_identity(s), process_environment));
  LARQL_TRY(const auto done, path_exists(dir / vindex::index_file));
  if (done)
    return dir;
  if (only_looks(needs))
    return fail(errc::not_found,
                "{}: a checkpoint of which no vindex was made yet; `larql run {}` makes one in the "
                "cache",
                model.text(), model.text());
  auto o = hub::checkpoint_pull_options{};
  LARQL_TRY(o.pull, options_for_use(stop));
  o.version = version_number();
  o.on_start = [&](std::uint64_t source, std::uint64_t made) {
    say("{}: a checkpoint of {}; a vindex of {} is made of it while it arrives, at {}",
        model.text(), format_bytes(source), format_bytes(made), dir.string());
  };
  auto line = std::optional<progress_line>{};
  o.pull.on_progress = [&](const hub::pull_progress& p) {
    if (!line)
      line.emplace("extract");
    line->update(p.done_bytes, p.total_bytes, p.file);
  };
  LARQL_TRY_VOID(make_directories(dir.parent_path()));
  LARQL_TRY_VOID(note_origin(dir, model.text()));
  auto pool = compute_pool{choose_threads(0)};
  const auto made = hub::pull_checkpoint(model.repo, to, dir, pool, o);
  LARQL_TRY(const auto there, path_exists(dir / vindex::index_file));
  if (there) // perhaps by another process
    return dir;
  LARQL_TRY_VOID(made);
  return dir;
}

// What a vindex of the cache was made of, if the repository has no vindex of its own.
result<fs::path> made_of(const hub::model_address& model, const hub::snapshot& s) {
  if (!model.names_gguf() && hub::kind_of(s) == hub::repo_kind::checkpoint)
    return cached_extract_path(hub::checkpoint_identity(s), process_environment);
  LARQL_TRY(const auto chosen, hub::choose_gguf(s, model));
  return cached_file_path(import::identity_of(chosen.contents()), process_environment);
}

} // namespace

result<fs::path> open_hub_model(const hub::model_address& model, const fs::path& to,
                                const hub::pull_request& needs, const std::stop_token& stop) {
  LARQL_TRY(const auto is_vindex, path_exists(to / vindex::index_file));
  if (model.names_gguf())
    return open_gguf(model, to, needs, stop);
  if (!is_vindex) { // else no request is needed to know
    LARQL_TRY(const auto s, look(model, to, stop));
    if (hub::kind_of(s) == hub::repo_kind::gguf)
      return open_gguf(model, to, needs, stop);
    if (hub::kind_of(s) == hub::repo_kind::checkpoint)
      return open_checkpoint(model, to, s, needs, stop);
  }
  LARQL_TRY_VOID(fill_directory(model.repo, to, needs, stop));
  return to;
}

result<fs::path> find_hub_model(const hub::model_address& model, const fs::path& to) {
  const auto nothing = [&] {
    return fail(errc::not_found,
                "{}: nothing of it is in the cache ({}); `larql pull {}` fetches it", model.text(),
                to.string(), model.text());
  };
  LARQL_TRY(const auto is_vindex, path_exists(to / vindex::index_file));
  if (is_vindex && !model.names_gguf())
    return to;
  LARQL_TRY(const auto state, hub::read_pull_state(hub::pull_layout{to}));
  if (!state)
    return nothing();
  const auto s = hub::snapshot{fmt::format("hf://{}@{}", state->repo, state->revision),
                               state->commit, state->files};
  if (!model.names_gguf() &&
      (hub::kind_of(s) == hub::repo_kind::vindex || hub::kind_of(s) == hub::repo_kind::nothing))
    return nothing();
  LARQL_TRY(auto dir, made_of(model, s));
  LARQL_TRY(const auto exists, path_exists(dir / vindex::index_file));
  if (!exists)
    return nothing();
  return dir;
}

} // namespace larql::cli
