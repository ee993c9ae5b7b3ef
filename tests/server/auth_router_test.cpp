// tests/server/auth_router_test.cpp - keys, hosts, origins, and which path goes where.
#include "base/file.h"
#include "material.h"
#include "server/auth.h"
#include "server/router.h"
#include "server/sse.h"

namespace hearth::server {
namespace {

int status_of(std::vector<HttpHeader> headers, const AuthOptions& options, std::string path = "/v1/models") {
    HttpRequest head;
    head.path = std::move(path);
    head.headers = std::move(headers);
    const auto refusal = refuse_unknown(head, options);
    return refusal ? refusal->status : 200;
}

TEST(Auth, Keys) {
    AuthOptions options;
    EXPECT_EQ(status_of({}, options), 200);
    options.api_keys = {"first-key", "second-key"};
    EXPECT_EQ(status_of({}, options), 401);
    EXPECT_EQ(status_of({}, options, "/health"), 200);
    for (const char* fine : {"Bearer first-key", "bearer second-key", "BEARER   first-key"})
        EXPECT_EQ(status_of({{"Authorization", fine}}, options), 200) << fine;
    for (const char* wrong :
         {"Bearer first-ke", "Bearer first-keyx", "Bearer ", "first-key", "Basic first-key", ""})
        EXPECT_EQ(status_of({{"Authorization", wrong}}, options), 401) << wrong;
    EXPECT_EQ(status_of({{"x-api-key", "second-key"}}, options), 200);
    EXPECT_EQ(status_of({{"x-api-key", "other"}}, options), 401);
}

TEST(Auth, HostsAndOrigins) {
    AuthOptions options;
    options.hosts = loopback_hosts("127.0.0.1");
    for (const char* fine :
         {"localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "LOCALHOST", "localhost."})
        EXPECT_EQ(status_of({{"Host", fine}}, options), 200) << fine;
    for (const char* wrong :
         {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8080", "", "localhost:80:80",
          "localhost:x", "[::1", "[::1]x", "localhost@evil", "127.0.0.2"})
        EXPECT_EQ(status_of({{"Host", wrong}}, options), 403) << wrong;
    EXPECT_EQ(status_of({}, options), 403);
    EXPECT_EQ(status_of({{"Host", "evil"}}, AuthOptions()), 200);  // beyond loopback the key decides
    EXPECT_EQ(status_of({{"Host", "localhost:1"}, {"Origin", "http://localhost:1"}}, options), 200);
    for (const char* wrong : {"http://evil.example", "null", "http://localhost:2", "http://localhost"})
        EXPECT_EQ(status_of({{"Host", "localhost:1"}, {"Origin", wrong}}, options), 403) << wrong;
}

TEST(Auth, KeyFiles) {
    const auto keys = read_api_keys("# mine\n  abcdefgh \r\n\n12345678", "keys");
    ASSERT_OK(keys);
    EXPECT_EQ(*keys, (std::vector<std::string>{"abcdefgh", "12345678"}));
    EXPECT_FALSE(read_api_keys("", "keys"));
    EXPECT_FALSE(read_api_keys("# none\n", "keys"));
    EXPECT_FALSE(read_api_keys("1234567", "keys"));
    EXPECT_FALSE(read_api_keys("with space", "keys"));
    EXPECT_FALSE(read_api_keys("with\tcontrol", "keys"));
    EXPECT_TRUE(read_api_keys(std::string(512, 'k'), "keys"));
    EXPECT_FALSE(read_api_keys(std::string(513, 'k'), "keys"));
    // The error may not print the key.
    EXPECT_EQ(read_api_keys("secret1", "keys").error().message.find("secret"), std::string::npos);
}

TEST(Router, PathsAndMethods) {
    Router router;
    router.add("GET", "/v1/models", {});
    router.add("GET", "/v1/models/*", {});
    router.add("POST", "/v1/chat", {});
    using Found = Router::Found;
    EXPECT_EQ(router.find("GET", "/v1/models").found, Found::yes);
    EXPECT_EQ(router.find("HEAD", "/v1/models").found, Found::yes);
    EXPECT_EQ(router.find("GET", "/v1/models/").found, Found::no_path);
    EXPECT_EQ(router.find("GET", "/v1/models/org%2Fname").rest, "org/name");
    EXPECT_EQ(router.find("GET", "/v1/models/org/name").rest, "org/name");
    for (const char* wrong :
         {"/v1/models/%", "/v1/models/%2", "/v1/models/%zz", "/v1/models/%00", "/v1/models/%0a"})
        EXPECT_EQ(router.find("GET", wrong).found, Found::bad_path) << wrong;
    EXPECT_EQ(router.find("GET", "/v1/chat").found, Found::no_method);
    EXPECT_EQ(router.find("GET", "/v1/chat").allow, "POST, OPTIONS");
    EXPECT_EQ(router.find("POST", "/v1/models").allow, "GET, HEAD, OPTIONS");
    EXPECT_EQ(router.find("GET", "/V1/models").found, Found::no_path);
    EXPECT_EQ(router.find("GET", "/").found, Found::no_path);
}

TEST(Sse, OneEvent) { EXPECT_EQ(sse_event("{}"), "data: {}\n\n"); }

}  // namespace
}  // namespace hearth::server
