#include "actors/net/http_head.hpp"

#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace larql::actors {

namespace {

std::string lower(std::string text) {
  for (auto& c : text)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return text;
}

MHD_Result add_header(void* to, MHD_ValueKind, const char* key, const char* value) {
  static_cast<http_request*>(to)->headers.emplace_back(lower(key), value == nullptr ? "" : value);
  return MHD_YES;
}

std::string address_of(MHD_Connection* connection) {
  const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (info == nullptr || info->client_addr == nullptr)
    return {};
  const auto size =
      info->client_addr->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  char host[NI_MAXHOST] = {};
  if (::getnameinfo(info->client_addr, static_cast<socklen_t>(size), host, sizeof host, nullptr, 0,
                    NI_NUMERICHOST) != 0)
    return {};
  return host;
}

} // namespace

http_request read_head(MHD_Connection* connection, const char* path, const char* method,
                       const char* version) {
  auto out = http_request{};
  out.method = method;
  out.path = path;
  out.has_http_1_0 = std::string_view{version} == MHD_HTTP_VERSION_1_0;
  out.peer = address_of(connection);
  MHD_get_connection_values(connection, MHD_HEADER_KIND, &add_header, &out);
  return out;
}

int descriptor_of(MHD_Connection* connection) {
  const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == nullptr ? -1 : info->connect_fd;
}

} // namespace larql::actors
