#include "runtime/speculation/remembered.hpp"

#include "runtime/base/file_writer.hpp"
#include "runtime/base/json.hpp"

#include <cmath>

namespace larql::speculation {

namespace {

constexpr std::uint64_t max_bytes = 1 << 20;
constexpr int version = 1;
/// Of a class, as old observations fade (acceptance.cpp).
constexpr float most_seen = 1000;

// An object with the version and what was seen, whatever is in the file.
json contents_of(const std::filesystem::path& file) {
  auto out = parse_json_file(file, max_bytes);
  if (out && json_fields{*out, file.string()}.require_version(version) &&
      json_fields{*out, file.string()}.object("seen"))
    return *std::move(out);
  return {{"version", version}, {"seen", json::object()}};
}

bool is_cell(const json& from) {
  if (!from.is_array() || from.size() != 2 || !from[0].is_number() || !from[1].is_number())
    return false;
  const auto seen = from[0].get<float>(), right = from[1].get<float>();
  return right >= 0 && right <= seen && seen <= most_seen; // false for NaN
}

} // namespace

std::vector<acceptance::cell> read_seen(const std::filesystem::path& file,
                                        const std::string& name) {
  const auto all = contents_of(file);
  auto out = std::vector<acceptance::cell>{};
  const auto found = all.at("seen").find(name);
  if (found == all.at("seen").end() || !found->is_array())
    return out;
  for (const auto& cell : *found) {
    if (!is_cell(cell))
      return {};
    out.push_back({cell[0].get<float>(), cell[1].get<float>()});
  }
  return out.size() == acceptance{}.cells().size() ? out : std::vector<acceptance::cell>{};
}

result<void> write_seen(const std::filesystem::path& file, const std::string& name,
                        std::span<const acceptance::cell> cells) {
  auto all = contents_of(file);
  auto& to = all["seen"][name] = json::array();
  for (const auto& c : cells)
    to.push_back({c.seen, c.right});
  return write_text_file(file, all.dump() + "\n");
}

} // namespace larql::speculation
