// larql publish: a vindex, and slices of it, to Hugging Face.

#include "runtime/hub/publish.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/model_kind.hpp"
#include "cli/support/model_path.hpp"
#include "cli/support/number_check.hpp"
#include "cli/support/progress.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/vindex/index_json.hpp"

namespace larql::cli {

namespace {

struct options {
  std::filesystem::path source;
  std::string repo;
  std::string slices = "none";
  std::string slice_repo = "{repo}-{preset}";
  std::string message = "Upload with larql";
  unsigned connections = 4;
  bool no_full = false;
  bool is_private = false;
  bool dry_run = false;
  bool force = false;
};

// One repository to publish to.
struct target {
  hub::repo to;
  const vindex::preset* preset = nullptr; ///< null: the whole vindex
};

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

result<std::vector<target>> targets_of(const options& o) {
  auto out = std::vector<target>{};
  LARQL_TRY(const auto whole, hub::parse_repo_id(o.repo, "--repo"));
  if (!o.no_full)
    out.push_back({whole, nullptr});
  for (auto rest = std::string_view{o.slices}; o.slices != "none";) {
    const auto comma = rest.find(',');
    LARQL_TRY(const auto* preset, vindex::find_preset(rest.substr(0, comma)));
    const auto name = replaced(replaced(o.slice_repo, "{repo}", o.repo), "{preset}", preset->name);
    LARQL_TRY(auto to, hub::parse_repo_id(name, "--slice-repo-template"));
    for (const auto& t : out)
      if (t.to == to)
        return fail(errc::usage, "--slice-repo-template: {} would get two contents", to.id());
    out.push_back({std::move(to), preset});
    if (comma == std::string_view::npos)
      break;
    rest.remove_prefix(comma + 1);
  }
  if (out.empty())
    return fail(errc::usage, "--no-full without --slices leaves nothing to publish");
  return out;
}

// Where hashes are kept between runs; nowhere if there is no cache.
std::filesystem::path notes_path() {
  const auto cache = cache_directory(process_environment);
  if (!cache || !make_directories(*cache))
    return {};
  return *cache / "publish-hashes.json";
}

void print_outcome(const options& o, const target& t, const hub::publish_outcome& done) {
  if (o.dry_run) {
    print("{}{}: {} files, {}; {} there already\n", t.to.id(),
          done.makes_repository ? (o.is_private ? " (new, private)" : " (new)") : "",
          done.new_files.size(), format_bytes(done.new_bytes), done.same.size());
    for (const auto& name : done.new_files)
      print("  {}\n", name);
    return;
  }
  if (done.commit.empty())
    print("hf://{}: nothing new, {} files are there\n", t.to.id(), done.same.size());
  else
    print("hf://{}@{}: {} files, {} ({} sent); {} were there\n", t.to.id(),
          done.commit.substr(0, 12), done.new_files.size(), format_bytes(done.new_bytes),
          format_bytes(done.sent_bytes), done.same.size());
}

result<void> publish_one(const options& o, const target& t, const std::stop_token& stop) {
  LARQL_TRY(auto files, t.preset != nullptr ? hub::slice_to_publish(o.source, *t.preset)
                                            : hub::files_to_publish(o.source));
  auto p = hub::publish_options{};
  LARQL_TRY(p.http, hub_settings(stop));
  p.connections = o.connections;
  p.is_private = o.is_private;
  p.force = o.force;
  p.dry_run = o.dry_run;
  p.message = o.message;
  auto line = std::optional<progress_line>{};
  auto step_shown = std::string{};
  auto full = false;
  p.on_progress = [&](const char* step, std::uint64_t done, std::uint64_t total, std::uint64_t,
                      const std::string& file) {
    if (step_shown != step) {
      line.emplace(step_shown = step);
      full = false;
    }
    if (!std::exchange(full, done >= total)) // answers that are awaited at the end are quiet
      line->update(done, total, file);
  };
  const auto done = hub::publish(std::move(files), t.to, notes_path(), p);
  line.reset();
  if (!done && done.error().code == errc::cancelled)
    return fail(errc::cancelled, "{}: stopped; the same command goes on from here", t.to.id());
  if (!done)
    return done.error();
  print_outcome(o, t, *done);
  return {};
}

result<void> run(const options& o, const std::stop_token& stop) {
  LARQL_TRY_VOID(require_directory(o.source.string(), "`larql pull` fetches one from the Hub"));
  LARQL_TRY(const auto targets, targets_of(o));
  LARQL_TRY_VOID(require_vindex(o.source));
  LARQL_TRY_VOID(require_own_files(o.source));
  if (const auto model = vindex::read_index(o.source); !model) // nothing else is published
    return model.error();
  for (const auto& t : targets)
    LARQL_TRY_VOID(publish_one(o, t, stop));
  return {};
}

} // namespace

void add_publish(command_parser& app, action& chosen) {
  auto command = app.add_command(
      "publish", "Upload a model to Hugging Face; what is there already is skipped");
  auto o = std::make_shared<options>();
  command.add_option("source", o->source, "Directory of the model").required();
  command.add_option("--repo", o->repo, "OWNER/NAME; made if it does not exist").required();
  command
      .add_option("--slices", o->slices,
                  "Presets to publish beside it, with commas between, each to a repository of its "
                  "own; or none")
      .show_default();
  command.add_option("--slice-repo-template", o->slice_repo, "Names of those repositories")
      .show_default();
  command.add_flag("--no-full", o->no_full, "Only the slices, not the whole");
  command.add_flag("--private", o->is_private, "Make new repositories private");
  command.add_option("--message", o->message, "Message of the commit").show_default();
  command.add_flag("--dry-run", o->dry_run, "Say what would be uploaded, and change nothing");
  command.add_flag("--force", o->force, "Commit files again that are there already");
  command.add_option("--connections", o->connections, "Connections at once")
      .check(whole_number(1, 64))
      .show_default();
  command.footer("HF_TOKEN=hf_... larql publish gemma4.vindex --repo ann/gemma4\n"
                 "larql publish gemma4.vindex --repo ann/gemma4 --slices moe-client --dry-run");
  command.callback([o, &chosen] {
    chosen = [o] {
      const auto signals = interrupt_scope{};
      return exit_code(run(*o, signals.token()));
    };
  });
}

} // namespace larql::cli
