using System.Net.Http.Headers;
using System.Text;

namespace Cdp.Benchmarks;

/// <summary>Requests as clients send them, and a number of connections that send them.</summary>
internal static class Load
{
    public static readonly AuthenticationHeaderValue WriteKey = new("Basic", Convert.ToBase64String("local:"u8));

    public static readonly AuthenticationHeaderValue ApiKey = new("Bearer", "local-api-key");

    /// <summary>A track call of about 1 KB, with the context a browser SDK adds.</summary>
    public static string Track(string messageId, int user) => Track(messageId, $"\"userId\":\"user-{user}\",\"anonymousId\":\"anonymous-{user}\"", user);

    /// <param name="identity">The members that say whose it is.</param>
    public static string Track(string messageId, string identity, int product) =>
        $$$"""
        {"messageId":"{{{messageId}}}","type":"track","event":"Product Viewed",{{{identity}}},"timestamp":"2026-01-02T03:04:05.678Z","properties":{"product_id":"p-{{{product % 500}}}","sku":"G-32","category":"outdoor","name":"Trail Running Shoe","brand":"Acme","variant":"blue","price":89.90,"quantity":1,"currency":"EUR","position":3,"url":"https://shop.example/outdoor/shoes/trail-running-shoe","image_url":"https://shop.example/images/trail-running-shoe.jpg"},"context":{"locale":"de-DE","timezone":"Europe/Berlin","library":{"name":"analytics.js","version":"next-1.84.0"},"page":{"path":"/outdoor/shoes/trail-running-shoe","referrer":"https://shop.example/outdoor","search":"","title":"Trail Running Shoe | Shop","url":"https://shop.example/outdoor/shoes/trail-running-shoe"},"campaign":{"name":"spring","source":"newsletter","medium":"email"},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},"integrations":{}}
        """;

    public static string Batch(IEnumerable<string> events) => $$"""{"sentAt":"2026-01-02T03:04:06.000Z","batch":[{{string.Join(',', events)}}]}""";

    /// <summary>Sends each body once, over this many connections; throws unless each is answered 200.</summary>
    public static async Task SendAsync(Uri address, string path, IReadOnlyList<string> bodies, int connections)
    {
        using var handler = new SocketsHttpHandler { MaxConnectionsPerServer = connections, UseProxy = false };
        using var http = new HttpClient(handler) { BaseAddress = address };
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(async () =>
        {
            for (var i = Interlocked.Increment(ref next); i < bodies.Count; i = Interlocked.Increment(ref next))
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(bodies[i], Encoding.UTF8, "application/json") };
                request.Headers.Authorization = WriteKey;
                using var response = await http.SendAsync(request);
                if (!response.IsSuccessStatusCode)
                    throw new InvalidOperationException($"{path} answered {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
            }
        })));
    }
}
