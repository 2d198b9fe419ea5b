// larql pull: a model, or the part of it that a role needs, from the Hub.

#include "runtime/hub/pull.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/model_path.hpp"
#include "cli/support/number_check.hpp"
#include "cli/support/progress.hpp"
#include "runtime/hub/gguf_pull.hpp"
#include "runtime/hub/model_listing.hpp"
#include "runtime/hub/pull_directory.hpp"

namespace larql::cli {

namespace {

struct options {
  std::string source;
  std::filesystem::path destination;
  std::string preset;
  std::string parts;
  std::string experts;
  std::string layers;
  unsigned connections = 8;
  bool check = false;
};

std::string preset_help() {
  auto out = std::string{"What the machine is to be (default: all, or moe-experts with --experts "
                         "or --layers):"};
  for (const auto& p : vindex::presets())
    out += fmt::format("\n  {}: {}", p.name, p.purpose);
  return out;
}

result<hub::pull_request> request_of(const options& o) {
  auto out = hub::pull_request{};
  if (!o.experts.empty()) {
    LARQL_TRY(out.experts, experts::parse_range(o.experts, "--experts"));
  }
  if (!o.layers.empty()) {
    LARQL_TRY(out.layers, experts::parse_range(o.layers, "--layers"));
  }
  if (!o.parts.empty()) {
    LARQL_TRY(out.parts, vindex::parse_parts(o.parts, "--parts"));
  }
  out.preset = !o.preset.empty() ? o.preset : out.experts || out.layers ? "moe-experts" : "all";
  LARQL_TRY([[maybe_unused]] const auto* known, vindex::find_preset(out.preset));
  return out;
}

void say_outcome(std::string_view name, const hub::pull_outcome& done, std::string_view why) {
  say("{} at {}: {} here, {} fetched", name, done.commit.substr(0, 12),
      format_bytes(done.wanted_bytes), format_bytes(done.fetched_bytes));
  if (done.unchecked_bytes != 0)
    say("{} of that could not be checked: {}", format_bytes(done.unchecked_bytes), why);
}

// Which of the models that a repository may hold is meant; the directory is at its commit
// afterwards.
result<bool> is_gguf(const hub::model_address& model, const options& o,
                     const hub::pull_options& p) {
  auto client = hub::hub_client{p.http};
  LARQL_TRY(const auto begun,
            hub::begin_pull(model.repo, hub::pull_layout{o.destination}, client, p));
  return model.names_gguf() || hub::kind_of(begun.from) == hub::repo_kind::gguf;
}

result<void> pull_gguf(const hub::model_address& model, const hub::pull_request& request,
                       const options& o, hub::pull_options p) {
  p.on_progress = pull_progress_line();
  LARQL_TRY(const auto done, hub::pull_gguf(model, request, o.destination, p));
  p.on_progress = nullptr; // ends the line
  say_outcome(model.text(), done.outcome, "there is one hash for the whole file");
  for (const auto& f : done.files)
    print_text(f.string() + '\n');
  return {};
}

result<void> run(options o, const std::stop_token& stop) {
  LARQL_TRY(const auto model, hub::parse_model_address(o.source));
  LARQL_TRY(const auto request, request_of(o));
  if (o.destination.empty()) {
    LARQL_TRY(o.destination, cached_model_path(model.repo, process_environment));
  }
  auto p = hub::pull_options{};
  p.connections = o.connections;
  p.check = o.check;
  LARQL_TRY(p.http, hub_settings(stop));
  LARQL_TRY(const auto gguf, is_gguf(model, o, p));
  p.keep_commit = true; // that was just looked up
  if (gguf)
    return pull_gguf(model, request, o, std::move(p));
  LARQL_TRY(const auto done, pull_with_progress(model.repo, request, o.destination, std::move(p)));
  say_outcome(model.repo.id(), done, "the repository has no checksums.json");
  print_text(o.destination.string() + '\n'); // as scripts need it
  return {};
}

} // namespace

void add_pull(command_parser& app, action& chosen) {
  auto command = app.add_command(
      "pull", "Download a model, or a part of it, from Hugging Face; goes on where it stopped");
  auto o = std::make_shared<options>();
  command
      .add_option("source", o->source,
                  "hf://OWNER/NAME[@REVISION]; of a GGUF repository hf://OWNER/NAME:QUANT or "
                  "hf://OWNER/NAME/FILE.gguf")
      .required();
  command
      .add_option("-o,--output", o->destination,
                  "Directory to fill (default: the cache, where run and larql-node look)")
      .check([](const std::string& s) {
        return s.empty() ? std::string{"the output has an empty name"} : std::string{};
      });
  auto preset =
      command.add_option("--preset", o->preset, preset_help()).suggest(vindex::preset_names());
  command.add_option("--parts", o->parts, "Parts, with commas between, instead of a preset")
      .excludes(preset);
  command.add_option("--experts", o->experts, "Only these experts, FIRST-LAST");
  command.add_option("--layers", o->layers, "Only these layers' experts, FIRST-LAST");
  command.add_option("--connections", o->connections, "Connections at once")
      .check(whole_number(1, 64))
      .show_default();
  command.add_flag("--check", o->check,
                   "Hash what is here already, and fetch again what a disk has changed");
  command.footer("larql pull hf://ann/gemma4-vindex\n"
                 "larql pull hf://ann/gemma4-vindex -o node.vindex --experts 0-63\n"
                 "larql pull hf://ann/gemma4-GGUF:Q4_K_M");
  command.callback([o, &chosen] {
    chosen = [o] {
      const auto signals = interrupt_scope{};
      return exit_code(run(*o, signals.token()));
    };
  });
}

} // namespace larql::cli
