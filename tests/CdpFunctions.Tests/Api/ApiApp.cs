using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Xunit;

namespace CdpFunctions.Tests.Api;

/// <summary>One app for the tests of a class, and calls with the admin key.</summary>
public sealed class ApiApp : IAsyncLifetime
{
    private readonly ConcurrentDictionary<string, Lazy<Task<string>>> keys = new(StringComparer.Ordinal);
    private TestApp? app;

    public TestApp App => app!;

    public async Task InitializeAsync() => app = await TestApp.StartAsync();

    public Task DisposeAsync() => app!.DisposeAsync().AsTask();

    public async Task<Answered> CallAsync(string method, string path, string? json = null, string? key = TestApp.ApiKey, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(App.Client.BaseAddress!, path));
        request.Headers.Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        if (json is not null)
            request.Content = new StringContent(json);
        using var response = await App.Client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.Headers.Contains("Cdp-Request-Id"), $"{method} {path} has no request id");
        return new Answered(response.StatusCode, text, response.Headers);
    }

    /// <summary>An API key with this scope only; made once.</summary>
    public Task<string> KeyAsync(string scope) => keys.GetOrAdd(scope, s => new Lazy<Task<string>>(async () =>
        (await CallAsync("POST", "/v1/api-keys", $$"""{"name":"{{s}}","scopes":["{{s}}"]}""")).Json.GetProperty("key").GetString()!)).Value;

    /// <summary>Sends one event as the local source, and waits until it is processed.</summary>
    public async Task<JsonElement> CollectAsync(string type, string json)
    {
        using var response = await App.CollectAsync("/v1/" + type, json);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return await App.WaitForMessageAsync(JsonDocument.Parse(json).RootElement.GetProperty("messageId").GetString()!);
    }
}

public sealed record Answered(HttpStatusCode Status, string Text, HttpResponseHeaders Headers)
{
    public JsonElement Json => JsonDocument.Parse(Text).RootElement;

    public string? Header(string name) => Headers.TryGetValues(name, out var values) ? string.Join(", ", values) : null;

    /// <summary>Status and code of a problem document, such as <c>404 not-found</c>.</summary>
    public string Problem
    {
        get
        {
            var problem = Json;
            Assert.Equal((int)Status, problem.GetProperty("status").GetInt32());
            Assert.Equal(Header("Cdp-Request-Id"), problem.GetProperty("requestId").GetString());
            return $"{(int)Status} {problem.GetProperty("type").GetString()!["/problems/".Length..]}";
        }
    }

    public string Errors => string.Join(' ', Json.GetProperty("errors").EnumerateArray().Select(error => error.GetProperty("path").GetString()));
}
