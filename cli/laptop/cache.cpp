// larql cache: what is kept of models that are used from elsewhere, and room made on the disk.

#include "cli/support/cache.hpp"
#include "cli/support/command.hpp"
#include "cli/support/model_kind.hpp"
#include "cli/support/progress.hpp"
#include "cli/support/table.hpp"
#include "runtime/hub/repo.hpp"
#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/import/hf_checkpoint.hpp"

#include <algorithm>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

struct options {
  std::vector<std::string> models;
  bool all = false;
  bool gone = false;
};

// Where the cache has, or would have, what a command keeps of a model.
result<fs::path> path_of(const std::string& model) {
  if (hub::is_hub_path(model)) {
    LARQL_TRY(const auto address, hub::parse_model_address(model));
    return cached_model_path(address.repo, process_environment);
  }
  LARQL_TRY(const auto found, find_model(model));
  switch (found.kind) {
  case model_kind::gguf: {
    LARQL_TRY(const auto source, import::open_gguf(found.path, {.texts = false}));
    return cached_file_path(source.identity(), process_environment);
  }
  case model_kind::checkpoint: {
    LARQL_TRY(const auto source, import::open_hf(found.path));
    return cached_extract_path(source.identity(), process_environment);
  }
  case model_kind::vindex: break;
  }
  return found.path; // a vindex lies where it lies
}

result<void> list() {
  LARQL_TRY(const auto cache, cache_directory(process_environment));
  LARQL_TRY(const auto entries, list_cache(cache));
  if (entries.empty()) {
    print_text(fmt::format("{} is empty\n", cache.string()));
    return {};
  }
  auto t = table{{"KIND", "SIZE", "NAME", "MADE OF"}};
  auto sum = std::uint64_t{0};
  for (const auto& e : entries) {
    t.add({std::string{to_string(e.kind)}, format_bytes(e.bytes), e.dir.filename().string(),
           e.source + (e.is_gone ? " (gone or changed)" : "")});
    sum += e.bytes;
  }
  print_text(t.text() + fmt::format("{} in {}\n", format_bytes(sum), cache.string()));
  return {};
}

// The entries that a word means: a name of the list, a directory, or a model.
result<std::vector<cache_entry>> find(const std::vector<cache_entry>& entries,
                                      const std::string& word) {
  auto out = std::vector<cache_entry>{};
  for (const auto& e : entries)
    if (e.dir.filename() == word || e.dir == fs::path{word} || e.source == word)
      out.push_back(e);
  if (!out.empty())
    return out;
  LARQL_TRY(const auto dir, path_of(word));
  for (const auto& e : entries)
    if (e.dir == dir)
      out.push_back(e);
  if (out.empty())
    return fail(errc::not_found, "{}: nothing of it is in the cache", word);
  return out;
}

result<void> remove(const options& o) {
  if (!o.all && !o.gone && o.models.empty())
    return fail(errc::usage, "name what to remove, or use --all or --gone");
  LARQL_TRY(const auto cache, cache_directory(process_environment));
  LARQL_TRY(const auto entries, list_cache(cache));
  auto chosen = std::vector<cache_entry>{};
  for (const auto& e : entries)
    if (o.all || (o.gone && e.is_gone))
      chosen.push_back(e);
  for (const auto& word : o.models) {
    LARQL_TRY(const auto found, find(entries, word));
    chosen.insert(chosen.end(), found.begin(), found.end());
  }
  for (const auto& e : chosen) {
    LARQL_TRY_VOID(remove_entry(e));
    say("{} ({}) removed, {}", e.dir.string(), e.source, format_bytes(e.bytes));
  }
  return {};
}

result<void> print_path(const std::string& model) {
  if (model.empty()) {
    LARQL_TRY(const auto cache, cache_directory(process_environment));
    print_text(cache.string() + "\n");
    return {};
  }
  LARQL_TRY(const auto dir, path_of(model));
  print_text(dir.string() + "\n");
  return {};
}

} // namespace

void add_cache(command_parser& app, action& chosen) {
  auto command = app.add_command("cache", "List or remove what is kept of models from elsewhere");
  command.require_command();
  command.footer(
      "larql cache list\n"
      "larql cache remove gemma-4-26B-A4B-it-Q4_K_M.gguf\n"
      "larql cache path hf://ann/gemma4-vindex\n\n"
      "A GGUF that is run from where it lies has small files here, and what is stored in "
      "another order;\na checkpoint the vindex that was made of it. All of it is made "
      "anew when it is needed.");
  auto list_command = command.add_command("list", "What is there, of what, and how large");
  list_command.callback([&chosen] { chosen = [] { return exit_code(list()); }; });

  auto remove_command = command.add_command("remove", "Remove entries");
  auto o = std::make_shared<options>();
  remove_command.add_option("model", o->models,
                            "Model, or its NAME in the list; files of yours stay");
  auto all = remove_command.add_flag("--all", o->all, "Everything");
  remove_command.add_flag("--gone", o->gone, "What was made of files that are gone or changed")
      .excludes(all);
  remove_command.callback([o, &chosen] { chosen = [o] { return exit_code(remove(*o)); }; });

  auto path_command =
      command.add_command("path", "Print the directory of the cache, or of a model in it");
  auto model = std::make_shared<std::string>();
  path_command.add_option("model", *model, "Model (default: the cache itself)");
  path_command.callback(
      [model, &chosen] { chosen = [model] { return exit_code(print_path(*model)); }; });
}

} // namespace larql::cli
