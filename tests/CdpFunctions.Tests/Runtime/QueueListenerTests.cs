using System.Globalization;
using System.Net;
using System.Text;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using CdpFunctions.Local.Runtime;
using CdpFunctions.Tests.Azurite;
using Microsoft.Azure.Functions.Worker;
using Xunit;

namespace CdpFunctions.Tests.Runtime;

public sealed class QueueListenerTests : IAsyncLifetime
{
    private readonly Journal _journal = new();
    private readonly string _queueName = "runtime-" + Guid.NewGuid().ToString("n");
    private string _storage = null!;
    private QueueClient _queue = null!;
    private QueueClient _poison = null!;

    public async Task InitializeAsync()
    {
        _storage = await AzuriteFixture.ConnectionStringAsync();
        _queue = new QueueClient(_storage, _queueName);
        _poison = new QueueClient(_storage, _queueName + "-poison");
        await _queue.CreateIfNotExistsAsync();
    }

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task Message_FunctionReturns_IsDeleted()
    {
        await _queue.SendMessageAsync("hello");
        await using (var host = await StartAsync<AsText>())
        {
            Assert.Equal("text hello", await _journal.ReadAsync());
            Assert.Equal([_queueName], host.QueueNames);
        }
        Assert.Equal(0, await CountAsync(_queue));
    }

    [Fact]
    public async Task Message_Base64Encoding_IsDecoded()
    {
        await _queue.SendMessageAsync(Convert.ToBase64String(Encoding.UTF8.GetBytes("hällo")));
        await using var host = await StartAsync<AsText>(new QueueSettings { Base64Messages = true });
        Assert.Equal("text hällo", await _journal.ReadAsync());
    }

    [Fact]
    public async Task Message_QueueCreatedAfterTheStart_IsFound()
    {
        await using var host = await LocalHost.StartAsync(await OptionsAsync<AsText>(
            new QueueSettings { Base64Messages = false, MaxPollingInterval = PollingBackoff.Minimum }, queue: _poison.Name));
        await _poison.CreateIfNotExistsAsync();
        await _poison.SendMessageAsync("late");
        Assert.Equal("text late", await _journal.ReadAsync());
    }

    [Fact]
    public async Task Message_FunctionThrows_TriedMaxDequeueCountTimesThenPoisoned()
    {
        await _queue.SendMessageAsync("bad");
        await using (await StartAsync<Throwing>(new QueueSettings { Base64Messages = false, MaxDequeueCount = 3, MaxPollingInterval = PollingBackoff.Minimum }))
        {
            Assert.Equal("try 1", await _journal.ReadAsync());
            Assert.Equal("try 2", await _journal.ReadAsync());
            Assert.Equal("try 3", await _journal.ReadAsync());
        }
        Assert.True(_journal.IsEmpty);
        QueueMessage[] poisoned = await _poison.ReceiveMessagesAsync(maxMessages: 32);
        Assert.Equal(["bad"], poisoned.Select(message => message.Body.ToString()));
        Assert.Equal(0, await CountAsync(_queue));
    }

    [Fact]
    public async Task Message_FunctionThrows_HiddenForTheVisibilityTimeout()
    {
        await _queue.SendMessageAsync("bad");
        await using (await StartAsync<Throwing>(new QueueSettings { Base64Messages = false, VisibilityTimeout = TimeSpan.FromHours(1) }))
            Assert.Equal("try 1", await _journal.ReadAsync());

        QueueMessage[] visible = await _queue.ReceiveMessagesAsync();
        Assert.Empty(visible);
        Assert.Equal(1, await CountAsync(_queue));
    }

    [Fact]
    public async Task Message_LastTryDiedWithItsProcess_PoisonedWithoutAnotherRun()
    {
        await _queue.SendMessageAsync("killer");
        var options = await OptionsAsync<Waiting>(new QueueSettings { Base64Messages = false, MaxDequeueCount = 1, MaxPollingInterval = PollingBackoff.Minimum });
        await KillAsync(options, "try 1");
        await using var next = await LocalHost.StartAsync(options);
        await UntilAsync(async () => await _poison.ExistsAsync() && await CountAsync(_queue) == 0);
        Assert.True(_journal.IsEmpty);
        Assert.Equal(1, await CountAsync(_poison));
    }

    [Fact]
    public async Task Message_OfAPoisonQueue_ComesBackAfterItsLockAndIsNeverMoved()
    {
        await _poison.CreateIfNotExistsAsync();
        await _poison.SendMessageAsync("bad");
        var options = await OptionsAsync<Throwing>(
            new QueueSettings { Base64Messages = false, MaxDequeueCount = 2, VisibilityTimeout = TimeSpan.FromHours(1), MaxPollingInterval = PollingBackoff.Minimum },
            lease: "00:00:01",
            queue: _poison.Name);
        await using (await LocalHost.StartAsync(options))
        {
            Assert.Equal("try 1", await _journal.ReadAsync());
            Assert.Equal("try 2", await _journal.ReadAsync());
        }
        // The third try is taken by hand once the lock ended, so the host can't have moved or deleted anything.
        QueueMessage[] left = [];
        await UntilAsync(async () => (left = await _poison.ReceiveMessagesAsync()).Length == 1);
        Assert.Equal(3, left[0].DequeueCount);
        var poisonOfPoison = new QueueClient(_storage, _poison.Name + "-poison");
        Assert.False(await poisonOfPoison.ExistsAsync());
    }

    [Fact]
    public async Task Message_ProcessDies_ComesBackAfterTheLease()
    {
        await _queue.SendMessageAsync("once more");
        var options = await OptionsAsync<Waiting>(new QueueSettings { Base64Messages = false, MaxPollingInterval = PollingBackoff.Minimum }, lease: "00:00:03");
        await KillAsync(options, "try 1");
        var next = await LocalHost.StartAsync(options);
        Assert.Equal("try 2", await _journal.ReadAsync());
        _journal.Gate.SetResult();
        await next.DisposeAsync();
        Assert.Equal(0, await CountAsync(_queue));

        // All by the storage's clock, which tells whole seconds.
        var (first, second) = (_journal.Messages[0], _journal.Messages[1]);
        Assert.Equal(first.MessageId, second.MessageId);
        var fetchedAgain = second.NextVisibleOn - TimeSpan.FromSeconds(3);
        Assert.True(fetchedAgain + TimeSpan.FromSeconds(1) >= first.NextVisibleOn, $"locked until {first.NextVisibleOn}, fetched at {fetchedAgain}");
    }

    [Fact]
    public async Task Message_FunctionOutlastsTheLease_LockIsRenewedAndItIsDeletedOnce()
    {
        await _queue.SendMessageAsync("long");
        var host = await LocalHost.StartAsync(await OptionsAsync<Waiting>(
            new QueueSettings { Base64Messages = false, MaxPollingInterval = PollingBackoff.Minimum, BatchSize = 1, NewBatchThreshold = 1 }, lease: "00:00:03"));
        Assert.Equal("try 1", await _journal.ReadAsync());

        // A second message, visible after more than two leases, tells that the time has passed.
        await _queue.SendMessageAsync("later", visibilityTimeout: TimeSpan.FromSeconds(7), timeToLive: null);
        Assert.Equal("try 1", await _journal.ReadAsync());
        Assert.NotEqual(_journal.Messages[0].MessageId, _journal.Messages[1].MessageId);
        _journal.Gate.SetResult();
        await host.DisposeAsync();
        Assert.True(_journal.IsEmpty);
        Assert.Equal(0, await CountAsync(_queue));
    }

    [Fact]
    public async Task Messages_UpToBatchSizePlusThreshold_RunAtOnce()
    {
        for (var i = 0; i < 10; i++) await _queue.SendMessageAsync($"m{i}");
        var host = await StartAsync<OneByOne>(new QueueSettings { Base64Messages = false, BatchSize = 4, NewBatchThreshold = 2, MaxPollingInterval = PollingBackoff.Minimum });
        await ReadAsync(4);
        Assert.Equal(6, await CountVisibleAsync());
        _journal.Turnstile.Release(2);
        await ReadAsync(4);
        Assert.Equal(2, await CountVisibleAsync());
        Assert.True(_journal.IsEmpty);
        _journal.Turnstile.Release(10);
        await ReadAsync(2);
        await host.DisposeAsync();
        Assert.Equal(0, await CountAsync(_queue));

        async Task ReadAsync(int runs)
        {
            for (var i = 0; i < runs; i++) Assert.Equal("run", await _journal.ReadAsync());
        }

        async Task<int> CountVisibleAsync()
        {
            QueueMessage[] visible = await _queue.ReceiveMessagesAsync(maxMessages: 32, visibilityTimeout: TimeSpan.FromSeconds(1));
            await UntilAsync(async () => ((PeekedMessage[])await _queue.PeekMessagesAsync(maxMessages: 32)).Length == visible.Length);
            return visible.Length;
        }
    }

    [Fact]
    public async Task Stop_FunctionUnderWay_IsDrainedAndNothingNewIsTaken()
    {
        await _queue.SendMessageAsync("running");
        var host = await StartAsync<Waiting>();
        Assert.Equal("try 1", await _journal.ReadAsync());
        var stop = host.StopAsync();
        Assert.False(stop.IsCompleted);
        _journal.Gate.SetResult();
        await stop;
        await _queue.SendMessageAsync("too late");
        await host.DisposeAsync();
        Assert.True(_journal.IsEmpty);
        Assert.Equal(1, await CountAsync(_queue));
    }

    [Fact]
    public async Task Start_SettingOfAQueueNameMissing_SaysWhich()
    {
        var options = await OptionsAsync<AsText>(new QueueSettings()) with { Configuration = TestHost.Options<AsText>(_journal, (LocalSettings.StorageSetting, _storage)).Configuration };
        var error = await Assert.ThrowsAsync<LocalHostException>(() => LocalHost.StartAsync(options));
        Assert.Contains("needs the setting 'TestQueue'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("DefaultEndpointsProtocol=http;AccountName=x")]
    public async Task Start_ConnectionStringMalformed_SaysSo(string connection)
    {
        var options = TestHost.Options<HttpFunctionTests>(_journal, (LocalSettings.StorageSetting, connection));
        var error = await Assert.ThrowsAsync<LocalHostException>(() => LocalHost.StartAsync(options));
        Assert.Contains("is not a storage connection string", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Admin_QueueFunction_RunsWithTheInput()
    {
        await using var host = await StartAsync<AsText>();
        Assert.Equal(HttpStatusCode.Accepted, await PostAsync(host, "astext", """{"input":"by hand"}"""));
        Assert.Equal("text by hand", await _journal.ReadAsync());
        await host.RunFunctionAsync("AsText", "again");
        Assert.Equal("text again", await _journal.ReadAsync());
    }

    [Theory]
    [InlineData("Unknown", "{}", HttpStatusCode.NotFound)]
    [InlineData("AsText", "", HttpStatusCode.BadRequest)]
    [InlineData("AsText", "null", HttpStatusCode.BadRequest)]
    [InlineData("AsText", "[]", HttpStatusCode.BadRequest)]
    public async Task Admin_WhatCannotRun_IsRefused(string function, string body, HttpStatusCode expected)
    {
        await using var host = await StartAsync<AsText>();
        Assert.Equal(expected, await PostAsync(host, function, body));
        Assert.True(_journal.IsEmpty);
    }

    private static async Task<HttpStatusCode> PostAsync(LocalHost host, string function, string body)
    {
        using var client = new HttpClient();
        using var content = new StringContent(body);
        using var response = await client.PostAsync(new Uri(host.Address, $"admin/functions/{function}"), content);
        return response.StatusCode;
    }

    /// <summary>A host that is given no time to drain does nothing more for what it runs: for the queue that is a killed process.</summary>
    private async Task KillAsync(LocalHostOptions options, string entry)
    {
        var host = await LocalHost.StartAsync(options with { DrainTimeout = TimeSpan.Zero });
        Assert.Equal(entry, await _journal.ReadAsync());
        await host.DisposeAsync();
    }

    private async Task<LocalHost> StartAsync<TFunctions>(QueueSettings? settings = null) =>
        await LocalHost.StartAsync(await OptionsAsync<TFunctions>(settings ?? new QueueSettings { Base64Messages = false, MaxPollingInterval = PollingBackoff.Minimum }));

    private Task<LocalHostOptions> OptionsAsync<TFunctions>(QueueSettings settings, string lease = "00:00:03", string? queue = null)
    {
        var options = TestHost.Options<TFunctions>(
            _journal, (LocalSettings.StorageSetting, _storage), ("TestQueue", queue ?? _queueName), (LocalHostOptions.MessageLeaseSetting, lease));
        return Task.FromResult(options with { Host = options.Host with { Queues = settings } });
    }

    private static async Task<int> CountAsync(QueueClient queue)
    {
        QueueProperties properties = await queue.GetPropertiesAsync();
        return properties.ApproximateMessagesCount;
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!await condition()) await Task.Delay(PollingBackoff.Minimum, patience.Token);
    }

    private sealed class AsText(Journal journal)
    {
        [Function("AsText")]
        public void Run([QueueTrigger("%TestQueue%")] string message) => journal.Write($"text {message}");
    }

    private sealed class Throwing(Journal journal)
    {
        [Function("Throwing")]
        public Task Run([QueueTrigger("%TestQueue%")] QueueMessage message)
        {
            journal.Write($"try {message.DequeueCount.ToString(CultureInfo.InvariantCulture)}");
            throw new InvalidOperationException("on purpose");
        }
    }

    private sealed class OneByOne(Journal journal)
    {
        [Function("OneByOne")]
        public async Task Run([QueueTrigger("%TestQueue%")] string message)
        {
            journal.Write("run");
            await journal.Turnstile.WaitAsync();
        }
    }

    private sealed class Waiting(Journal journal)
    {
        [Function("Waiting")]
        public async Task Run([QueueTrigger("%TestQueue%")] QueueMessage message)
        {
            lock (journal.Messages) journal.Messages.Add(message);
            journal.Write($"try {message.DequeueCount.ToString(CultureInfo.InvariantCulture)}");
            await journal.Gate.Task;
        }
    }
}
