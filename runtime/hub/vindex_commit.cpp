#include "runtime/hub/vindex_commit.hpp"

#include "runtime/base/file_writer.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>

namespace larql::hub {

namespace {

namespace fs = std::filesystem;

using vindex::expert_block;

bool covers(const expert_block& outer, const expert_block& inner) {
  return outer.contains(inner.first_layer, inner.first_expert) &&
         outer.contains(inner.last_layer, inner.last_expert);
}

// Joins blocks that make one rectangle together; fewer blocks, same experts.
std::vector<expert_block> simplified(std::vector<expert_block> blocks) {
  const auto join = [](expert_block& a, const expert_block& b) {
    if (covers(a, b))
      return true;
    if (a.first_layer == b.first_layer && a.last_layer == b.last_layer &&
        b.first_expert <= a.last_expert + 1 && a.first_expert <= b.last_expert + 1) {
      a.first_expert = std::min(a.first_expert, b.first_expert);
      a.last_expert = std::max(a.last_expert, b.last_expert);
      return true;
    }
    if (a.first_expert == b.first_expert && a.last_expert == b.last_expert &&
        b.first_layer <= a.last_layer + 1 && a.first_layer <= b.last_layer + 1) {
      a.first_layer = std::min(a.first_layer, b.first_layer);
      a.last_layer = std::max(a.last_layer, b.last_layer);
      return true;
    }
    return false;
  };
  for (auto i = std::size_t{0}; i < blocks.size(); ++i)
    for (auto j = std::size_t{0}; j < blocks.size(); ++j)
      if (i != j && join(blocks[i], blocks[j])) {
        blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(j));
        return simplified(std::move(blocks));
      }
  return blocks;
}

std::set<vindex::part> parts_in(const snapshot& s) {
  auto out = std::set<vindex::part>{};
  for (const auto& f : s.files)
    if (const auto p = vindex::part_of(f.path))
      out.insert(*p);
  return out;
}

result<void> write_if_different(const fs::path& path, const std::string& text) {
  const auto found = read_text_file(path, vindex::max_json_bytes);
  return found && *found == text ? result<void>{} : write_text_file(path, text);
}

result<void> remove_file(const fs::path& path) {
  auto error = std::error_code{};
  fs::remove(path, error);
  if (error)
    return fail(errc::io, "{}: remove: {}", path.string(), error.message());
  return {};
}

// Takes index.json away until the rest is in its place: an old one goes, one that stays becomes a
// part again.
result<void> set_index_aside(const pull_layout& layout, const std::vector<planned_file>& files,
                             std::vector<const planned_file*>& moves) {
  const auto index = layout.dir() / vindex::index_file;
  for (const auto& f : files) {
    if (f.remote.path != vindex::index_file || !find_local(layout, f).in_place)
      continue;
    moves.push_back(&f);
    auto error = std::error_code{};
    fs::rename(index, layout.part(f.remote.path), error);
    return error ? fail(errc::io, "{}: rename: {}", index.string(), error.message())
                 : result<void>{};
  }
  return remove_file(index);
}

// Files of the commit before that this one does not have. Only what a pull may have put there.
result<void> remove_stale(const pull_layout& layout, const snapshot& s) {
  auto stale = std::vector<fs::path>{};
  const auto journals = layout.own() / "journals";
  auto error = std::error_code{};
  for (auto it = fs::recursive_directory_iterator{journals, error};
       !error && it != fs::recursive_directory_iterator{}; it.increment(error))
    if (const auto name = fs::relative(it->path(), journals).generic_string();
        it->is_regular_file() && !name.ends_with(".tmp") && s.find(name) == nullptr)
      stale.emplace_back(name);
  for (const auto& name : stale) {
    LARQL_TRY_VOID(remove_file(layout.dir() / name));
    LARQL_TRY_VOID(remove_file(layout.part(name.string())));
    LARQL_TRY_VOID(remove_file(layout.meta(name.string())));
    LARQL_TRY_VOID(remove_file(layout.journal(name.string())));
  }
  return {};
}

// The repository's checksums of the files that are here whole, and of all experts; and that of the
// description, which is written here.
std::string checksums_text(const vindex::checksums& all, const std::vector<planned_file>& files,
                           const std::string& slice) {
  auto out = vindex::checksums{{}, all.layers};
  for (const auto& f : files)
    if (const auto it = all.files.find(f.remote.path); it != all.files.end() && f.is_whole())
      out.files.insert(*it);
  if (!slice.empty())
    out.files[std::string{vindex::slice_file}] = {slice.size(),
                                                  hash_bytes(std::as_bytes(std::span{slice}))};
  return vindex::write_checksums(out);
}

result<void> describe(const pull_layout& layout, const pulled_vindex& v,
                      const std::vector<planned_file>& files) {
  const auto here = presence_of(v);
  const auto slice = here.sliced ? write_presence(here) : std::string{};
  LARQL_TRY_VOID(here.sliced ? write_if_different(layout.dir() / vindex::slice_file, slice)
                             : remove_file(layout.dir() / vindex::slice_file));
  if (!v.sums)
    return remove_file(layout.dir() / vindex::checksums_file);
  return write_if_different(layout.dir() / vindex::checksums_file,
                            checksums_text(*v.sums, files, slice));
}

} // namespace

vindex::presence presence_of(const pulled_vindex& v) {
  auto out = vindex::presence{};
  out.preset = v.wanted.preset;
  out.source =
      v.from.name + (v.from.name.ends_with(v.from.commit) ? "" : " (" + v.from.commit + ")");
  const auto available = parts_in(v.from);
  for (const auto p : available)
    (v.wanted.parts.contains(p) ? out.parts : out.left_out).insert(p);
  out.left_out.insert(v.remote.left_out.begin(), v.remote.left_out.end());
  out.holds = simplified(v.wanted.blocks);
  const auto whole = out.holds.size() == 1 && covers(out.holds[0], vindex::everything(v.model));
  out.sliced = !out.left_out.empty() || !whole || !v.wanted.everything;
  return out;
}

result<void> commit_vindex(const pull_layout& layout, const pulled_vindex& v,
                           const std::vector<planned_file>& files) {
  const auto index = layout.dir() / vindex::index_file;
  auto moves = std::vector<const planned_file*>{};
  auto replaces = false;
  for (const auto& f : files)
    if (!find_local(layout, f).in_place) {
      moves.push_back(&f);
      LARQL_TRY(const auto exists, path_exists(layout.dir() / f.remote.path));
      replaces = replaces || exists;
    }
  if (replaces)
    LARQL_TRY_VOID(set_index_aside(layout, files, moves));
  LARQL_TRY_VOID(remove_stale(layout, v.from));
  const planned_file* last = nullptr;
  for (const auto* f : moves) {
    if (f->remote.path == vindex::index_file)
      last = f;
    else
      LARQL_TRY_VOID(move_into_place(layout, *f));
  }
  LARQL_TRY_VOID(describe(layout, v, files));
  if (last != nullptr)
    LARQL_TRY_VOID(move_into_place(layout, *last));
  return {};
}

} // namespace larql::hub
