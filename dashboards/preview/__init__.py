"""Pictures of the dashboards without a Grafana: what each panel's queries give, drawn."""
