using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Azure.Storage.Queues;
using CdpFunctions.Local.Runtime;
using CdpFunctions.Storage;
using CdpFunctions.Tests.Azurite;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CdpFunctions.Tests;

/// <summary>The whole app in this process, over HTTP on a free port, on a storage account of its own in the shared Azurite.</summary>
public sealed class TestApp : IAsyncDisposable
{
    /// <summary>The write key and API key that are seeded on the emulator.</summary>
    public const string WriteKey = "local";
    public const string ApiKey = "local-api-key";

    private readonly LocalHost host;

    private TestApp(LocalHost host, string connection)
    {
        this.host = host;
        ConnectionString = connection;
        Client = new HttpClient { BaseAddress = host.Address };
    }

    /// <summary>Sends nothing of its own; see <see cref="CollectAsync"/> and <see cref="ReadAsync"/>.</summary>
    public HttpClient Client { get; }

    public string ConnectionString { get; }

    public IServiceProvider Services => host.Services;

    /// <param name="connection">An account that another app had before, to start again on its data.</param>
    public static async Task<TestApp> StartAsync(
        IReadOnlyDictionary<string, string?>? settings = null, TimeProvider? time = null, string? connection = null, Action<IServiceCollection>? services = null)
    {
        connection ??= await AzuriteFixture.NewAccountAsync();
        var configuration = new ConfigurationBuilder()
            // Whatever time it is, nothing starts by itself.
            .AddInMemoryCollection([new(StorageClients.Setting, connection), new("Cdp:ProfilesExportSchedule", "off")])
            .AddInMemoryCollection(settings ?? new Dictionary<string, string?>())
            .Build();
        var started = await LocalHost.StartAsync(new LocalHostOptions
        {
            Configuration = configuration,
            Host = HostSettings.Load(AppContext.BaseDirectory),
            FunctionTypes = typeof(CdpApplication).Assembly.GetTypes(),
            Time = time ?? TimeProvider.System,
            ConfigureServices = (collection, c) =>
            {
                collection.AddCdp(c);
                services?.Invoke(collection);
            },
            InitializeAsync = CdpApplication.InitializeAsync,
            ConfigureLogging = static logging => logging.SetMinimumLevel(LogLevel.None),
        });
        return new TestApp(started, connection);
    }

    /// <summary>Posts JSON to a collector with the local write key.</summary>
    public Task<HttpResponseMessage> CollectAsync(string path, string json) => SendAsync(HttpMethod.Post, path, json, Basic(WriteKey));

    /// <summary>Gets or sends with the local API key.</summary>
    public Task<HttpResponseMessage> ReadAsync(string path) => SendAsync(HttpMethod.Get, path, null, new AuthenticationHeaderValue("Bearer", ApiKey));

    public async Task<JsonElement> ReadJsonAsync(string path)
    {
        using var response = await ReadAsync(path);
        var text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode
            ? JsonDocument.Parse(text).RootElement.Clone()
            : throw new HttpRequestException($"GET {path} answered {(int)response.StatusCode}: {text}", null, response.StatusCode);
    }

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? json, AuthenticationHeaderValue? authorization)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = authorization;
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        return await Client.SendAsync(request);
    }

    /// <summary>Waits until the message is on a timeline or failed, and says what became of it. Throws after a minute.</summary>
    public async Task<JsonElement> WaitForMessageAsync(string messageId, string source = "local")
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (true)
        {
            var status = await ReadJsonAsync($"/v1/messages/{source}/{Uri.EscapeDataString(messageId)}");
            if (status.GetProperty("outcome").GetString() != "queued")
                return status;
            await Task.Delay(20, patience.Token);
        }
    }

    /// <summary>Asks again and again until it holds. Throws after a minute.</summary>
    public static async Task WaitUntilAsync(Func<Task<bool>> holds)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (!await holds())
            await Task.Delay(20, patience.Token);
    }

    /// <summary>Messages in the queues of events and merges, those in work and those that come again later included.</summary>
    /// <param name="suffix">Of the queues' names.</param>
    public async Task<int> WaitingAsync(string suffix = "")
    {
        var queues = new QueueServiceClient(ConnectionString, new QueueClientOptions { MessageEncoding = QueueMessageEncoding.None });
        var count = 0;
        foreach (var name in new[] { "events", "merges" })
            count += (await queues.GetQueueClient(name + suffix).GetPropertiesAsync()).Value.ApproximateMessagesCount;
        return count;
    }

    public static AuthenticationHeaderValue Basic(string writeKey) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(writeKey + ":")));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await host.DisposeAsync();
    }
}
