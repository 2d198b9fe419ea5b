// Fuzz target: what the Hub and a directory's notes say, from strangers.
//
// The first byte chooses what the rest is: a listing, a revision, an answer to preupload, a batch
// of uploads, a Link header, a journal, a state, a URL and where it redirects, the journal of
// an upload.

#include "runtime/hub/hub_json.hpp"
#include "runtime/hub/journal.hpp"
#include "runtime/hub/pull_state.hpp"
#include "runtime/hub/repo.hpp"
#include "runtime/hub/upload_journal.hpp"
#include "runtime/hub/url.hpp"

namespace larql::hub {
namespace {

void check_tree(std::string_view text) {
  auto entries = std::size_t{0};
  if (const auto files = parse_tree(text, "tree", max_listed, entries))
    for (const auto& f : *files)
      LARQL_CHECK(is_harmless_path(f.path) && !f.content_name().empty());
}

void check_batch(std::string_view text) {
  const auto objects = parse_lfs_batch(text, "batch");
  if (!objects)
    return;
  for (const auto& o : *objects) {
    LARQL_CHECK(o.part_urls.empty() || (o.part_bytes * o.part_urls.size() >= o.bytes && o.upload));
    if (o.upload)
      for (const auto& h : o.upload->headers)
        LARQL_CHECK(h.find('\n') == std::string::npos && h.find('\r') == std::string::npos);
  }
}

void check_journal(std::string_view text) {
  const auto of = content_id{1000, "abc"};
  const auto s = parse_journal(text, of, "b1");
  LARQL_CHECK(s.held.contains(s.verified));
  LARQL_CHECK((interval_set{interval{0, of.bytes}}.contains(s.held)));
  const auto again = parse_journal(write_journal(s, of, "b1"), of, "b2");
  LARQL_CHECK(again.held == s.held && again.verified == s.verified);
}

void check_state(std::string_view text) {
  const auto s = parse_pull_state(text, "state");
  if (!s)
    return;
  const auto again = parse_pull_state(write_pull_state(*s), "again");
  LARQL_CHECK(again && again->files == s->files);
}

void check_upload(std::string_view text) {
  constexpr auto where = "https://hub/a/b";
  const auto u = parse_upload_journal(text, where);
  if (!u)
    return;
  LARQL_CHECK(u->etags.size() == u->object.part_urls.size());
  const auto again = parse_upload_journal(write_upload_journal(*u, where), where);
  LARQL_CHECK(again && again->etags == u->etags && again->object.part_urls == u->object.part_urls);
}

void check_redirect(std::string_view text) {
  const auto target = redirect_target("https://huggingface.co/a/b", text);
  if (target)
    LARQL_CHECK(target->starts_with("https://") && origin_of(*target));
  static_cast<void>(origin_of(text));
  static_cast<void>(parse_hub_path(text));
  static_cast<void>(parse_model_address(text));
}

void run(std::string_view bytes) {
  if (bytes.empty())
    return;
  const auto text = bytes.substr(1);
  switch (static_cast<unsigned char>(bytes[0]) % 9) {
  case 0: return check_tree(text);
  case 1: static_cast<void>(parse_revision(text, "revision")); return;
  case 2: static_cast<void>(parse_preupload(text, "preupload")); return;
  case 3: return check_batch(text);
  case 4: static_cast<void>(next_page(text)); return;
  case 5: return check_journal(text);
  case 6: return check_state(text);
  case 8: return check_upload(text);
  default: return check_redirect(text);
  }
}

} // namespace
} // namespace larql::hub

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  larql::hub::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
