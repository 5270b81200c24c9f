using Cdp.Access;
using Cdp.Archive;
using Cdp.Catalog;
using Cdp.Collect;
using Cdp.Deliveries;
using Cdp.Destinations;
using Cdp.Destinations.Blobs;
using Cdp.Destinations.HubSpot;
using Cdp.Destinations.Pipedrive;
using Cdp.Destinations.Salesforce;
using Cdp.Destinations.ServiceBus;
using Cdp.Destinations.Slack;
using Cdp.Destinations.Webhooks;
using Cdp.Exports;
using Cdp.Failures;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Imports;
using Cdp.Interactions;
using Cdp.Processing;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Secrets;
using Cdp.Segments;
using Cdp.Segments.Backfill;
using Cdp.Segments.Definitions;
using Cdp.Segments.Reading;
using Cdp.Sources;
using Cdp.Stats;
using Cdp.Storage;
using Cdp.TrackingPlans;
using Cdp.Triggers;
using Cdp.Webhooks;
using CdpFunctions.Destinations;
using CdpFunctions.Http;
using CdpFunctions.Storage;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace CdpFunctions;

/// <summary>The app's composition: the same in the Functions worker and in the local host.</summary>
public static class CdpApplication
{
    /// <summary>Everything the functions ask for. Singletons, because caches and group commits are per process.</summary>
    public static IServiceCollection AddCdp(this IServiceCollection services, IConfiguration configuration)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(CdpOptions.Read(configuration));

        services.AddSingleton(_ => StorageClients.Create(configuration));
        services.AddSingleton(provider => new TableRowStore(provider.GetRequiredService<StorageClients>().Tables));
        services.AddSingleton(provider => new DueShards(provider.GetRequiredService<TableRowStore>(), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<IRowStore>(provider => new DueNotingRowStore(provider.GetRequiredService<TableRowStore>(), provider.GetRequiredService<DueShards>()));
        services.AddSingleton<IMessageQueue>(provider => new StorageMessageQueue(provider.GetRequiredService<StorageClients>().Queues));
        services.AddSingleton<IBlobStore>(provider => new StorageBlobStore(provider.GetRequiredService<StorageClients>().Blobs));

        services.AddSingleton(provider => new IdGenerator(provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<IdentityRulesStore>().AddSingleton<IdentityRulesRegistry>();

        services.AddSingleton<DefinitionStore>().AddSingleton<DefinitionsRegistry>().AddSingleton<SegmentUpdater>();
        services.AddSingleton<BackfillProgress>().AddSingleton<SegmentBackfill>().AddSingleton<SegmentScheduler>().AddSingleton<SegmentProcessor>();
        services.AddSingleton<ProfileSegmentsReader>().AddSingleton<SegmentMembers>().AddSingleton<SegmentPreview>().AddSingleton<SegmentExplanations>();
        services.AddSingleton(PreviewLimits.Default).AddSingleton<PreviewJobs>().AddSingleton<SegmentOverlap>();

        services.AddSingleton<ExportStore>().AddSingleton<IExportMembers, StoredMembers>().AddSingleton<SegmentExporter>();
        services.AddSingleton(provider => ExportLimits.Default with { RowsPerPart = provider.GetRequiredService<CdpOptions>().ExportRowsPerPart });
        services.AddSingleton(provider => provider.GetRequiredService<CdpOptions>().ProfilesExportSchedule is var schedule and not ProfilesExport.Off
            ? new ProfilesExport(schedule)
            : new ProfilesExport(Schedule: null));
        services.AddSingleton<ExportStarter>().AddSingleton<ExportScheduler>().AddSingleton<ExportProcessor>();
        services.AddSingleton(provider => new BlobLinks(provider.GetRequiredService<StorageClients>().Blobs, provider.GetRequiredService<TimeProvider>()));

        services.AddSingleton<SourceStore>().AddSingleton<SourceRegistry>().AddSingleton<SourceRateLimiter>();
        services.AddSingleton<EventQueueWriter>().AddSingleton<Collector>();
        services.AddSingleton(new Cdp.Secrets.SecretSettings(name => configuration[name])).AddSingleton<WebhookReceiver>().AddSingleton<InteractionRecorder>();

        services.AddSingleton<ProfileStore>().AddSingleton<IdentityIndex>().AddSingleton<IdentityResolver>().AddSingleton<ProfileMerger>();
        services.AddSingleton<QuarantineList>().AddSingleton<IdentifierSuspender>().AddSingleton<ProfileSplitter>().AddSingleton<Unmerges>();
        services.AddSingleton<FailureLog>().AddSingleton<RawArchive>().AddSingleton<ControlLog>().AddSingleton<Outbox>();
        services.AddSingleton<RecentCommits>();
        services.AddSingleton<ProfileCommitter>().AddSingleton<EventProcessor>().AddSingleton<MergeProcessor>();

        services.AddSingleton<ApiKeyStore>().AddSingleton<ApiAccess>();
        services.AddSingleton(provider =>
        {
            var (options, time) = (provider.GetRequiredService<CdpOptions>(), provider.GetRequiredService<TimeProvider>());
            var bootstrap = options.AdminKey is { } text ? ApiKey.Create("settings", "Cdp__AdminKey", text, [Scope.Admin], time.GetUtcNow()) : null;
            return new ApiKeyRing(provider.GetRequiredService<ApiKeyStore>(), time, bootstrap);
        });
        AddDestinations(services, configuration);
        services.AddSingleton<Cursors>().AddSingleton<ProfileReader>().AddSingleton<TimelineReader>().AddSingleton<MessageStatusReader>();
        services.AddSingleton<FailureRedriver>();
        services.AddSingleton<ImportStore>().AddSingleton<FileImporter>().AddSingleton<ImportProcessor>().AddSingleton<ImportPreview>();
        services.AddSingleton<StatsRecorder>().AddSingleton<StatsReader>().AddHostedService<StatsService>();
        services.AddSingleton<CatalogRecorder>().AddSingleton<ViolationRecorder>().AddSingleton<CatalogStore>().AddHostedService<CatalogService>();
        return services;
    }

    private static void AddDestinations(IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton<ISecretSettings>(provider => new DestinationSecrets(configuration, provider.GetRequiredService<CdpOptions>()));
        services.AddSingleton<SecretVault>().AddSingleton<DestinationStore>().AddSingleton<DestinationRegistry>().AddSingleton<DestinationTypes>();
        services.AddSingleton(provider => new DestinationHttp(provider.GetRequiredService<CdpOptions>().AllowPrivateDestinations, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<ITopicSender, ServiceBusTopics>();
        services.AddSingleton<IDestinationType, WebhookDestination>().AddSingleton<IDestinationType, ServiceBusDestination>();
        services.AddSingleton<IDestinationType, SalesforceDestination>().AddSingleton<IDestinationType, PipedriveDestination>();
        services.AddSingleton<IDestinationType, HubSpotDestination>().AddSingleton<IDestinationType, SlackDestination>().AddSingleton<IDestinationType, BlobDestination>();
        services.TryAddSingleton(new DeliveryPolicy());
        services.TryAddSingleton<IConsents, TraitConsents>();
        services.AddSingleton<DeliveryStore>().AddSingleton<DeliveryViews>().AddSingleton<DeliveryPlanner>().AddSingleton<Deliverer>().AddSingleton<DeliveryRedriver>();
        services.AddSingleton<TriggerStore>().AddSingleton<TriggerRegistry>().AddSingleton<TriggerLog>().AddSingleton<TriggerPlanner>().AddSingleton<TriggerPurge>();
        services.AddSingleton<DeliveryProcessor>().AddSingleton<DeliveryPurge>().AddSingleton<DestinationTester>();
    }

    /// <summary>
    /// Creates the tables, queues and containers that are missing; on the emulator also a source with write key <c>local</c> and the API key
    /// <c>local-api-key</c>. In Azure the deployment creates them instead, so that a cold start does not wait for it.
    /// </summary>
    public static async Task InitializeAsync(IServiceProvider services, CancellationToken cancellation)
    {
        await StorageSetup.CreateAllAsync(services.GetRequiredService<StorageClients>(), cancellation);
        if (services.GetRequiredService<StorageClients>().IsEmulator)
            await SeedAsync(services, cancellation);
    }

    private static async Task SeedAsync(IServiceProvider services, CancellationToken cancellation)
    {
        var now = services.GetRequiredService<TimeProvider>().GetUtcNow();
        var source = new Source("local", "Local development", "http", Enabled: true, [new WriteKey("local", now, Enabled: true)]);
        await services.GetRequiredService<SourceStore>().PutAsync(source, PutCondition.IsNew, cancellation);
        var key = ApiKey.Create("local", "Local development", "local-api-key", [Scope.Admin], now);
        await services.GetRequiredService<ApiKeyStore>().AddAsync(key, cancellation);
    }
}
