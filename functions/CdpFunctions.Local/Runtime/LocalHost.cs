using System.Diagnostics.CodeAnalysis;
using System.Net;
using Azure;
using Azure.Storage.Queues;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CdpFunctions.Local.Runtime;

/// <summary>
/// Runs functions in this process and behaves as the Functions host does. Start: storage is created, then queues and timers listen, and only
/// then the HTTP port opens. Stop: nothing new is taken, what runs is drained, then the app's services are disposed.
/// </summary>
public sealed class LocalHost : IAsyncDisposable
{
    private const string RequestLogs = "Microsoft.AspNetCore.Hosting.Diagnostics";
    private static readonly TimeSpan DefaultLease = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan MostAfterCancel = TimeSpan.FromSeconds(5);

    private readonly WebApplication _app;
    private readonly LocalHostOptions _options;
    private readonly RunningFunctions _running = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<QueueListener> _queues = [];
    private readonly List<TimerListener> _timers = [];
    private readonly Dictionary<string, Func<string, Task>> _starters = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<Task> _listening = [];
    private bool _stopped;

    private LocalHost(LocalHostOptions options)
    {
        _options = options;
        var functions = FunctionDiscovery.Find(options.FunctionTypes).Where(IsEnabled).ToList();
        Routes = RouteTable.Of(functions, options.Host.RoutePrefix);
        var queueOptions = new QueueClientOptions { MessageEncoding = options.Host.Queues.Base64Messages ? QueueMessageEncoding.Base64 : QueueMessageEncoding.None };
        options.ConfigureQueueClients(queueOptions);
        var connections = new QueueConnections(options.Configuration, queueOptions);
        // Asked for even without queue functions, so that a malformed setting is reported in the same words.
        if (options.Configuration[LocalSettings.StorageSetting] is not null) connections.Get(null, "host");

        _app = Build();
        var scopes = _app.Services.GetRequiredService<IServiceScopeFactory>();
        var logger = _app.Services.GetRequiredService<ILogger<LocalHost>>();
        var lease = Lease(options.Configuration);
        foreach (var function in functions)
        {
            switch (function.Trigger)
            {
                case QueueTriggerAttribute trigger:
                    AddQueue(function, trigger, connections, lease, scopes, logger);
                    break;
                case TimerTriggerAttribute trigger:
                    AddTimer(function, trigger, scopes, logger);
                    break;
            }
        }
        var endpoints = ((IEndpointRouteBuilder)_app).DataSources;
        endpoints.Add(new DefaultEndpointDataSource([new AdminFunctions(this).Endpoint(), .. HttpFunctions.Endpoints(Routes, functions)]));
    }

    /// <summary>Where it answers, for instance http://127.0.0.1:7071/.</summary>
    public Uri Address { get; private set; } = new("about:blank");

    public IServiceProvider Services => _app.Services;

    public RouteTable Routes { get; }

    /// <summary>The queues listened to, by function.</summary>
    public IReadOnlyList<string> QueueNames => [.. _queues.Select(queue => queue.QueueName)];

    /// <summary>The number of timers that run.</summary>
    public int TimerCount => _timers.Count;

    /// <exception cref="LocalHostException">It cannot start; the message says what to do.</exception>
    public static async Task<LocalHost> StartAsync(LocalHostOptions options, CancellationToken cancellationToken = default)
    {
        var host = new LocalHost(options);
        try
        {
            await host.StartAsync(cancellationToken);
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a timer or queue function now, to its end, as <c>POST /admin/functions/{name}</c> does. A failure is only logged.</summary>
    /// <exception cref="ArgumentException">There is no timer or queue function of this name.</exception>
    public Task RunFunctionAsync(string name, string input = "") =>
        (StarterOf(name) ?? throw new ArgumentException($"There is no timer or queue function {name}.", nameof(name)))(input);

    public async Task StopAsync()
    {
        if (_stopped) return;
        _stopped = true;
        await _stop.CancelAsync();
        var afterCancel = _options.DrainTimeout < MostAfterCancel ? _options.DrainTimeout : MostAfterCancel;
        var http = StopHttpAsync();
        // A receive under way brings its messages into the drain.
        await Task.WhenAny(Task.WhenAll(_listening), Task.Delay(_options.DrainTimeout));
        await _running.DrainAsync(_options.DrainTimeout, afterCancel);
        await http;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _app.DisposeAsync();
        _timers.ForEach(timer => timer.Dispose());
        _running.Dispose();
        _stop.Dispose();
    }

    internal Func<string, Task>? StarterOf(string name) => _starters.GetValueOrDefault(name);

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        await InitializeAsync(cancellationToken);
        foreach (var queue in _queues) _listening.Add(Task.Run(() => queue.PollAsync(_stop.Token), CancellationToken.None));
        foreach (var timer in _timers) _listening.Add(Task.Run(() => timer.RunAsync(_stop.Token), CancellationToken.None));
        try
        {
            await _app.StartAsync(cancellationToken);
        }
        catch (IOException error) when (error.InnerException is AddressInUseException)
        {
            throw new LocalHostException($"Port {_options.Port} is taken: stop what listens there, or choose another port with --port.", error);
        }
        Address = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
    }

    private async Task InitializeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _options.InitializeAsync(_app.Services, cancellationToken);
        }
        catch (RequestFailedException error) when (error.Status is 401 or 403)
        {
            throw new LocalHostException($"The storage of {LocalSettings.StorageSetting} refuses access ({error.ErrorCode}): check the key in it, or the roles of the identity used.", error);
        }
        catch (Exception error) when (error is RequestFailedException { Status: 0 } or AggregateException or HttpRequestException)
        {
            var reason = (error as AggregateException)?.InnerExceptions[^1].Message ?? error.Message;
            throw new LocalHostException($"The storage of {LocalSettings.StorageSetting} cannot be reached ({reason.ReplaceLineEndings(" ")}): start it, or correct the setting.", error);
        }
    }

    private WebApplication Build()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Configuration.AddConfiguration(_options.Configuration);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("Azure", LogLevel.Warning)
            .AddConfiguration(_options.Configuration.GetSection("Logging"))
            // With it on at any level, an activity and a log scope would be made for every request.
            .AddFilter(RequestLogs, LogLevel.None);
        _options.ConfigureLogging(builder.Logging);
        builder.Services.AddSingleton(_options.Time);
        builder.Services.AddSingleton<IHostLifetime, OwnerLifetime>();
        builder.Services.AddRouting();
        _options.ConfigureServices(builder.Services, _options.Configuration);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Pixels carry events in the query; the front end of the real host takes long ones too.
            kestrel.Limits.MaxRequestLineSize = 64 * 1024;
            if (_options.Port == 0) kestrel.Listen(IPAddress.Loopback, 0);
            else kestrel.ListenLocalhost(_options.Port);
        });

        var app = builder.Build();
        app.UseRouting();
        app.UseEndpoints(_ => { });
        app.Run(_options.NotFound ?? Empty404);
        return app;
    }

    private static Task Empty404(HttpContext http)
    {
        http.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }

    private void AddQueue(
        FunctionDescriptor function, QueueTriggerAttribute trigger, QueueConnections connections, TimeSpan lease, IServiceScopeFactory scopes, ILogger logger)
    {
        var service = connections.Get(trigger.Connection, function.Name);
        var name = SettingExpression.Resolve(trigger.QueueName, _options.Configuration, function.Name);
        var poison = QueueListener.PoisonName(name) is { } poisonName ? service.GetQueueClient(poisonName) : null;
        var listener = new QueueListener(function, service.GetQueueClient(name), poison, _options.Host.Queues, lease, _running, scopes, logger);
        _queues.Add(listener);
        _starters.Add(function.Name, input => _running.Run(() => listener.InvokeAsync(AdminFunctions.Message(input))));
    }

    private void AddTimer(FunctionDescriptor function, TimerTriggerAttribute trigger, IServiceScopeFactory scopes, ILogger logger)
    {
        var schedule = TimerSchedule.Parse(SettingExpression.Resolve(trigger.Schedule, _options.Configuration, function.Name), function.Name);
        var timer = new TimerListener(function, trigger, schedule, _options.Time, _running, scopes, logger);
        _timers.Add(timer);
        _starters.Add(function.Name, _ => _running.Run(() => timer.InvokeAsync(_stop.Token)));
    }

    private async Task StopHttpAsync()
    {
        using var patience = new CancellationTokenSource(_options.DrainTimeout);
        try
        {
            await _app.StopAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            // Requests that would not end were cut off.
        }
    }

    /// <summary>The host's own switch: the setting <c>AzureWebJobs.{name}.Disabled</c>.</summary>
    private bool IsEnabled(FunctionDescriptor function) =>
        !bool.TryParse(_options.Configuration[$"AzureWebJobs.{function.Name}.Disabled"], out var disabled) || !disabled;

    private static TimeSpan Lease(IConfiguration configuration)
    {
        if (configuration[LocalHostOptions.MessageLeaseSetting] is not { } text) return DefaultLease;
        return TimeSpan.TryParse(text, out var lease) && lease >= TimeSpan.FromSeconds(1) && lease <= TimeSpan.FromDays(7)
            ? lease
            : throw new LocalHostException($"The setting {LocalHostOptions.MessageLeaseSetting} must be a time span from 00:00:01 to 7.00:00:00, not '{text}': correct it.");
    }

    /// <summary>Whoever started the host decides when it stops; the default would listen to Ctrl-C in every test.</summary>
    [SuppressMessage("Performance", "CA1812", Justification = "Created by dependency injection.")]
    private sealed class OwnerLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
