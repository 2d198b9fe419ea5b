#include "cli/serve/server/access_policy.hpp"

#include <algorithm>
#include <arpa/inet.h>

namespace larql::serve {

namespace {

std::string lower(std::string_view text) {
  auto out = std::string{text};
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool is_address(const std::string& name) {
  char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

} // namespace

std::string host_name(std::string_view host_header) {
  auto name = lower(host_header);
  if (name.starts_with('[')) {
    const auto end = name.find(']');
    return end == std::string::npos ? name : name.substr(1, end - 1);
  }
  name = name.substr(0, name.find(':'));
  if (name.ends_with('.'))
    name.pop_back();
  return name;
}

bool access_policy::allows_host(std::string_view host_header) const {
  const auto name = host_name(host_header);
  if (name == "localhost" || name.ends_with(".localhost") || is_address(name))
    return true;
  if (!own_name.empty() && (name == lower(own_name) || name == lower(own_name) + ".local"))
    return true;
  return std::any_of(hosts.begin(), hosts.end(), [&](const std::string& allowed) {
    return allowed == "*" || name == host_name(allowed);
  });
}

bool access_policy::allows_origin(std::string_view origin, std::string_view host_header) const {
  const auto from = lower(origin);
  for (const auto* scheme : {"http://", "https://"})
    if (!host_header.empty() && from == scheme + lower(host_header))
      return true;
  return std::any_of(origins.begin(), origins.end(), [&](const std::string& allowed) {
    const auto a = lower(allowed);
    return a.ends_with('*') ? from.starts_with(a.substr(0, a.size() - 1)) : from == a;
  });
}

} // namespace larql::serve
