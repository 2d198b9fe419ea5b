#include "runtime/hub/hub_client.hpp"

#include "runtime/hub/url.hpp"

#include <algorithm>

namespace larql::hub {

namespace {

constexpr auto max_pages = 1000;
// A page has a thousand entries of some hundred bytes.
constexpr std::uint64_t max_page_bytes = 8 << 20;

} // namespace

std::string hub_client::api_url(const repo& r) const {
  return fmt::format("{}/api/models/{}", endpoint(), r.id());
}

std::string hub_client::file_url(const repo& r, const std::string& commit,
                                 std::string_view path) const {
  return fmt::format("{}/{}/resolve/{}/{}", endpoint(), r.id(), percent_encode(commit, false),
                     percent_encode(path, true));
}

result<std::string> hub_client::commit_of(const repo& r) {
  auto request = http_request{};
  request.url = api_url(r) + "/revision/" + percent_encode(r.revision, false);
  LARQL_TRY(const auto answer, http_.exchange_ok(std::move(request)));
  return parse_revision(answer.body, without_secrets(answer.url));
}

result<std::vector<remote_file>> hub_client::files_of(const repo& r, const std::string& commit) {
  auto out = std::vector<remote_file>{};
  auto url = api_url(r) + "/tree/" + percent_encode(commit, false) + "?recursive=true";
  auto room = max_listed; // for files, and for what is left out
  for (auto page = 0; !url.empty(); ++page) {
    if (page == max_pages)
      return fail(errc::corrupt, "{}: more than {} pages of files", without_secrets(url),
                  max_pages);
    auto request = http_request{};
    request.url = url;
    request.max_body_bytes = max_page_bytes;
    LARQL_TRY(const auto answer, http_.exchange_ok(std::move(request)));
    auto entries = std::size_t{0};
    LARQL_TRY(auto files, parse_tree(answer.body, without_secrets(answer.url), room, entries));
    room -= entries;
    std::move(files.begin(), files.end(), std::back_inserter(out));
    const auto next = next_page(answer.header("link"));
    if (next.empty())
      break;
    LARQL_TRY(url, redirect_target(url, next));
  }
  std::sort(out.begin(), out.end(),
            [](const remote_file& a, const remote_file& b) { return a.path < b.path; });
  const auto twice =
      std::adjacent_find(out.begin(), out.end(), [](const remote_file& a, const remote_file& b) {
        return a.path == b.path;
      });
  if (twice != out.end())
    return fail(errc::corrupt, "{}: lists \"{}\" twice", api_url(r), twice->path);
  return out;
}

} // namespace larql::hub
